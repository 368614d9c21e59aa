// Another job beside this one: its curves in the same panels, and what is configured differently.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { EpochFigures, Job } from "../../generated/api";
import { differences, title } from "../../lib/job";
import { api } from "../../services/api";
import { Diff } from "../Diff";
import { Card, linkClass } from "../ui";

export interface Comparison {
  job: Job;
  epochs: EpochFigures[];
}

export function useComparison(jobId: string | undefined): Comparison | null {
  const found = useQuery({
    queryKey: ["comparison", jobId],
    queryFn: async (): Promise<Comparison> => {
      const id = jobId ?? "";
      const [job, metrics] = await Promise.all([api.job(id), api.metrics(id)]);
      return { job, epochs: metrics.items };
    },
    enabled: jobId !== undefined,
    staleTime: 30_000,
  });
  return jobId === undefined ? null : (found.data ?? null);
}

interface ChooserProps {
  job: Job;
  chosen: string | undefined;
  onChoose: (jobId: string | undefined) => void;
}

/** Jobs of the same task that have begun, newest first. */
export function CompareChooser({ job, chosen, onChoose }: ChooserProps) {
  const jobs = useQuery({
    queryKey: ["comparable", job.framework, job.task],
    queryFn: async () => (await api.jobs({})).items,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  const others = (jobs.data ?? []).filter(
    (item) => item.job_id !== job.job_id && item.task === job.task && item.attempt > 0,
  );
  if (!others.length && !chosen) return null;
  return (
    <select
      aria-label="Compare with"
      className="min-h-7 max-w-56 rounded-md border border-line bg-panel px-1.5 text-[13px]"
      value={chosen ?? ""}
      onChange={(event) => onChoose(event.target.value || undefined)}
    >
      <option value="">Compare with …</option>
      {chosen && !others.some((item) => item.job_id === chosen) && <option value={chosen}>{chosen}</option>}
      {others.map((item) => (
        <option key={item.job_id} value={item.job_id}>
          {item.job_id} {title(item)}
        </option>
      ))}
    </select>
  );
}

export function ConfigDifferences({ job, other }: { job: Job; other: Job }) {
  return (
    <Card
      id="differences"
      title={
        <>
          From{" "}
          <Link to="/jobs/$jobId" params={{ jobId: other.job_id }} className={linkClass}>
            {other.job_id}
          </Link>{" "}
          to {job.job_id}
        </>
      }
    >
      <Diff changes={differences(other.config, job.config)} empty="Both have the same configuration." />
    </Card>
  );
}
