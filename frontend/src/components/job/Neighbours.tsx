// What is configured differently from the last run that went well, and from the job that tried this one again.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Job } from "../../generated/api";
import { differences } from "../../lib/job";
import { api } from "../../services/api";
import { Diff } from "../Diff";
import { statusWord } from "../Status";
import { Card, linkClass } from "../ui";

/** The newest job that succeeded with the same model and data set, else with the same data set; null where there is none. */
async function lastGood(job: Job): Promise<Job | null> {
  const wanted = { status: ["succeeded"], dataset_id: job.dataset_id, limit: 1 };
  for (const narrower of [{ model: job.model }, {}]) {
    const found = await api.jobs({ ...wanted, ...narrower });
    if (found.items[0]) return found.items[0];
  }
  return null;
}

export function Neighbours({ job }: { job: Job }) {
  const good = useQuery({
    queryKey: ["last-good", job.job_id],
    queryFn: () => lastGood(job),
    enabled: job.status === "failed",
    staleTime: 30_000,
  });
  const again = useQuery({
    queryKey: ["job", job.retried_as],
    queryFn: () => api.job(job.retried_as ?? ""),
    enabled: job.retried_as !== null,
    staleTime: 30_000,
  });
  if (job.status !== "failed") return null;
  return (
    <Card id="neighbours" title="What is different">
      <div className="flex flex-col gap-3">
        {good.data ? (
          <Difference
            of={good.data}
            when="Since"
            words="the last job that succeeded"
            changes={differences(good.data.config, job.config)}
          />
        ) : (
          !good.isPending && (
            <p className="text-[13px] text-soft">
              No job on {job.dataset_id} has succeeded yet: nothing to compare with.
            </p>
          )
        )}
        {again.data && (
          <Difference
            of={again.data}
            when="In"
            words={`the retry, ${statusWord(again.data.status).toLowerCase()}`}
            changes={differences(job.config, again.data.config)}
          />
        )}
      </div>
    </Card>
  );
}

interface DifferenceProps {
  of: Job;
  when: string;
  words: string;
  changes: ReturnType<typeof differences>;
}

function Difference({ of, when, words, changes }: DifferenceProps) {
  return (
    <div>
      <p className="mb-1 text-[13px]">
        {when}{" "}
        <Link to="/jobs/$jobId" params={{ jobId: of.job_id }} className={linkClass}>
          {of.job_id}
        </Link>
        , {words}
      </p>
      <Diff changes={changes} empty="Same configuration." />
    </div>
  );
}
