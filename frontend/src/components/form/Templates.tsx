import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Job } from "../../generated/api";
import { figure, shortName } from "../../lib/format";
import { primary, title } from "../../lib/job";
import { api } from "../../services/api";

const AS_MANY = 30;

function label(job: Job): string {
  const best = primary(job);
  const reached = best ? `, ${shortName(best.name)} ${figure(best.value)}` : `, ${job.status}`;
  return `${job.job_id} ${title(job)}${reached}`;
}

/** Earlier jobs as templates: the form begins with all that they were trained with. */
export function Templates({ from }: { from: Job | null }) {
  const navigate = useNavigate();
  const jobs = useQuery({
    queryKey: ["jobs", "templates"],
    queryFn: async () => (await api.jobs({ limit: AS_MANY })).items,
  });
  if (!jobs.data?.length) return null;
  const good = jobs.data.filter((job) => job.status === "succeeded");
  const others = jobs.data.filter((job) => job.status !== "succeeded");
  const groups: [string, Job[]][] = [
    ["Succeeded", good],
    ["Others", others],
  ];
  const known = from === null || jobs.data.some((job) => job.job_id === from.job_id);
  return (
    <label className="flex min-w-0 items-center gap-2 text-[13px] text-soft">
      Begin with
      <select
        className="min-h-7 w-full max-w-72 min-w-0 rounded-md border border-line bg-panel px-2 text-ink"
        value={from?.job_id ?? ""}
        onChange={(event) => navigate({ to: "/new", search: { from: event.target.value || undefined } })}
      >
        <option value="">an empty form</option>
        {!known && from && <option value={from.job_id}>{label(from)}</option>}
        {groups.map(
          ([name, items]) =>
            items.length > 0 && (
              <optgroup key={name} label={name}>
                {items.map((job) => (
                  <option key={job.job_id} value={job.job_id}>
                    {label(job)}
                  </option>
                ))}
              </optgroup>
            ),
        )}
      </select>
    </label>
  );
}
