// How an open job stands: progress with its end in sight, or the wait before the next attempt.

import { TimerReset } from "lucide-react";
import { useRef } from "react";
import type { Attempt, Job } from "../../generated/api";
import type { JobActions } from "../../hooks/useJobActions";
import { useNow } from "../../hooks/useNow";
import { goesOnText, reason } from "../../lib/failure";
import { bytes, figure, shortName } from "../../lib/format";
import { changes, etaText, phase, share } from "../../lib/job";
import type { Connection } from "../../services/live";
import { Code } from "../Code";
import { Diff } from "../Diff";
import { Silence } from "../Status";
import { Button, Progress } from "../ui";
import { Stages } from "./Stages";

const ANNOUNCE_MS = 10_000;

/** A text for screen readers that changes at most every ten seconds, however often the figures do. */
function Announced({ text }: { text: string }) {
  const said = useRef({ text, at: 0 });
  const now = Date.now();
  if (now - said.current.at >= ANNOUNCE_MS) said.current = { text, at: now };
  return (
    <p role="status" className="sr-only">
      {said.current.text}
    </p>
  );
}

const UNKNOWN = "–";
const of = (part: number | null | undefined, whole: number | null | undefined) =>
  whole ? `${bytes(part)} of ${bytes(whole)}` : bytes(part);

export function Standing({ job, stale }: { job: Job; stale: boolean }) {
  const at = job.progress;
  const done = share(job);
  const epochs = at?.epoch && job.status !== "queued" ? `Epoch ${at.epoch} of ${at.epochs}` : null;
  const step = at?.step && at.steps ? `step ${at.step} of ${at.steps}` : null;
  const eta = etaText(job);
  const memory = at?.memory?.gpu_bytes ?? at?.memory?.rss_bytes;
  const room = at?.memory?.gpu_bytes ? at.memory.gpu_total_bytes : at?.memory?.rss_limit_bytes;
  const facts: [string, string][] = [
    ["Images/s", at?.images_per_s ? figure(at.images_per_s) : UNKNOWN],
    ["Learning rate", figure(at?.lr)],
    ["Disk", at?.disk?.free_bytes == null ? UNKNOWN : `${bytes(at.disk.free_bytes)} free`],
    [at?.memory?.gpu_bytes ? "GPU memory" : "Memory", of(memory, room)],
    ...Object.entries({ ...at?.metrics, ...at?.losses }).map(([name, value]): [string, string] => [
      shortName(name),
      figure(value),
    ]),
  ];
  // What a trainer does not tell is left out.
  const known = facts.filter(([, value]) => value !== UNKNOWN);
  return (
    <section
      aria-label="Progress"
      className={`mb-4 rounded-lg border border-line bg-panel px-4 py-3 ${stale ? "opacity-75" : ""}`}
    >
      <Stages job={job} />
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <p className="font-medium">
          {phase(job)}
          {epochs && (
            <span className="font-normal text-soft">
              {" "}
              · {epochs}
              {step && `, ${step}`}
            </span>
          )}
        </p>
        <p className="text-soft tabular-nums">
          <Silence status={job.status} heardAt={job.heard_at} /> {eta}
        </p>
      </div>
      <div className="mt-2">
        <Progress value={done ?? 0} label="Progress of the training" />
      </div>
      {at && job.status !== "queued" && (
        <dl className="mt-3 flex flex-wrap gap-x-6 gap-y-1 text-[13px]">
          {known.map(([name, value]) => (
            <div key={name}>
              <dt className="inline text-soft">{name} </dt>
              <dd className="inline font-medium tabular-nums">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      <Announced text={[phase(job), epochs, eta].filter(Boolean).join(", ")} />
    </section>
  );
}

export function RetryButtons({ actions }: { actions: JobActions }) {
  return (
    <div className="flex flex-wrap gap-2">
      <Button small busy={actions.runNow.isPending} onClick={() => actions.runNow.mutate()}>
        Run now
      </Button>
      {actions.canStopRetrying && (
        <Button small busy={actions.stopRetrying.isPending} onClick={() => actions.stopRetrying.mutate()}>
          Stop retrying
        </Button>
      )}
    </div>
  );
}

/** The last attempt failed and another one follows by itself: when, why, with what change. */
export function Waiting({ job, last, actions }: { job: Job; last: Attempt | null; actions: JobActions }) {
  const now = useNow(500);
  const left = job.retry_at ? Math.max(0, Math.ceil((Date.parse(job.retry_at) - now) / 1000)) : null;
  const changed = last?.decision ? changes(last.config ?? job.config, last.decision.patch ?? []) : [];
  return (
    <section
      aria-labelledby="waiting-title"
      className="mb-4 rounded-lg border border-l-4 border-warn bg-warn-ground px-4 py-3"
    >
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="flex min-w-0 gap-3">
          <TimerReset aria-hidden className="mt-0.5 size-5 shrink-0 text-warn" />
          <div className="min-w-0">
            <h2 id="waiting-title" className="font-semibold">
              {left === null || left === 0 ? "Next attempt starts now" : `Next attempt in ${left} s`}
            </h2>
            {last?.error && (
              <p>
                Attempt {last.attempt} failed: <Code text={last.error.message} />
              </p>
            )}
            {last && <p className="text-soft">{reason(last)}</p>}
            {changed.length > 0 && <Diff changes={changed} />}
            {goesOnText(job) && <p className="text-soft">{goesOnText(job)}</p>}
          </div>
        </div>
        <RetryButtons actions={actions} />
      </div>
    </section>
  );
}

/** The connection to the platform is lost: said, counted down, and all that is shown stays. */
export function ConnectionBanner({ connection, onRetry }: { connection: Connection; onRetry: () => void }) {
  const now = useNow(500);
  if (connection.status !== "paused") return null;
  const left = Math.max(0, Math.ceil(((connection.retryAt ?? now) - now) / 1000));
  return (
    <div className="mb-4 flex flex-wrap items-center justify-between gap-2 rounded-md border border-warn bg-warn-ground px-3 py-2">
      <p>
        <span role="status">Live updates paused. What you see stays.</span>{" "}
        <span className="text-soft">{left > 0 ? `Retrying in ${left} s` : "Retrying now"}</span>
      </p>
      <Button small onClick={onRetry}>
        Try now
      </Button>
    </div>
  );
}
