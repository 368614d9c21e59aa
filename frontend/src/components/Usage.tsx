// What is used, against what there is: compute time, places for jobs, storage; and what can be given back.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Usage as Used } from "../generated/api";
import { bytes, duration } from "../lib/format";
import { pace } from "../lib/pace";
import { byCause, byEnd, type Part, percent } from "../lib/usage";
import { api } from "../services/api";
import { CardError } from "./Failures";
import { OpenJobs } from "./Limit";
import { Card, Empty, Loading, linkClass } from "./ui";

const QUIET_MS = 30_000;
const TONES: Record<string, string> = { succeeded: "bg-good", failed: "bg-bad", cancelled: "bg-soft" };

export function Usage() {
  const used = useQuery({
    queryKey: ["usage"],
    queryFn: api.usage,
    refetchInterval: ({ state }) => pace(QUIET_MS, state),
  });
  return (
    <Card id="usage" title="Usage">
      {used.error && !used.data && <CardError error={used.error} onRetry={() => used.refetch()} />}
      {!used.data && !used.error && <Loading what="usage" />}
      {used.data && <Shown usage={used.data} />}
    </Card>
  );
}

function Shown({ usage }: { usage: Used }) {
  return (
    <div className="flex flex-col gap-4 text-[13px]">
      <ComputeTime usage={usage} />
      <section aria-label="Open jobs">
        <OpenJobs {...usage.open_jobs} />
      </section>
      <section aria-label="Stored">
        <h3 className="font-medium">Stored</h3>
        <p className="text-soft">
          Data sets {bytes(usage.stored.datasets_bytes)}, files of jobs {bytes(usage.stored.files_bytes)}.{" "}
          <Link to="/datasets" className={linkClass}>
            Delete data sets that are no longer needed
          </Link>
        </p>
      </section>
    </div>
  );
}

function ComputeTime({ usage }: { usage: Used }) {
  const ends = byEnd(usage);
  const causes = byCause(usage);
  return (
    <section aria-label="Compute time">
      <h3 className="font-medium">Compute time of the last {usage.days} days</h3>
      {ends.length === 0 ? (
        <Empty title="No attempt has ended in this time">What trainings take is added up here.</Empty>
      ) : (
        <>
          <Bar parts={ends} />
          <ul className="flex flex-wrap gap-x-4 gap-y-1">
            {ends.map((part) => (
              <li key={part.key} className="flex items-center gap-1.5">
                <span aria-hidden className={`size-2.5 rounded-sm ${TONES[part.key] ?? "bg-soft"}`} />
                {part.label} <strong className="font-medium">{duration(part.seconds)}</strong>
                <span className="text-soft">{percent(part.share)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {causes.length > 0 && (
        <ul aria-label="Failed through" className="mt-1 text-soft">
          {causes.map((part) => (
            <li key={part.key}>
              {duration(part.seconds)} failed through {part.label}, in{" "}
              {part.attempts === 1 ? "one attempt" : `${part.attempts.toLocaleString("en")} attempts`}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** The shares side by side; the words below say the same. */
function Bar({ parts }: { parts: Part[] }) {
  return (
    <div aria-hidden className="my-1.5 flex h-2 gap-0.5 overflow-hidden rounded-full bg-hover">
      {parts.map((part) => (
        <div
          key={part.key}
          className={TONES[part.key] ?? "bg-soft"}
          style={{ width: `${part.share * 100}%` }}
        />
      ))}
    </div>
  );
}
