// The timeline of a job: every attempt with its wait, cause, decision and change, and the one that comes next.

import { ArrowDownToDot } from "lucide-react";
import type { ReactNode } from "react";
import type { Attempt, Job, Verdict } from "../../generated/api";
import { useNow } from "../../hooks/useNow";
import { exitText, followed, seconds } from "../../lib/failure";
import { duration } from "../../lib/format";
import { changes, differences, isFinal } from "../../lib/job";
import { Code } from "../Code";
import { Diff } from "../Diff";
import { StatusBadge } from "../Status";
import { Ago, Empty } from "../ui";

interface AttemptsProps {
  job: Job;
  /** What may be done about the wait before the next one. */
  buttons?: ReactNode;
  attempts: Attempt[];
  chosen: number;
  onChoose: (attempt: number) => void;
}

export function Attempts({ job, buttons, attempts, chosen, onChoose }: AttemptsProps) {
  if (!attempts.length) {
    return (
      <Empty title="No attempt yet">
        {job.status === "queued"
          ? "It begins as soon as an agent is free."
          : "The job ended before one began."}
      </Empty>
    );
  }
  return (
    <ol className="flex flex-col gap-3">
      {attempts.map((attempt, index) => (
        <Row
          key={attempt.attempt}
          attempt={attempt}
          before={attempts[index - 1] ?? null}
          chosen={chosen === attempt.attempt}
          stopped={isFinal(job) && index === attempts.length - 1 && attempt.decision?.action !== "fail"}
          onChoose={attempts.length > 1 ? onChoose : null}
        />
      ))}
      {job.status === "waiting" && <Next job={job} buttons={buttons} last={attempts.at(-1) ?? null} />}
    </ol>
  );
}

interface RowProps {
  attempt: Attempt;
  before: Attempt | null;
  chosen: boolean;
  /** The job ended before the next attempt that was decided on. */
  stopped: boolean;
  onChoose: ((attempt: number) => void) | null;
}

function Row({ attempt, before, chosen, stopped, onChoose }: RowProps) {
  const now = useNow(1000);
  const end = attempt.finished_at ?? new Date(now).toISOString();
  const lasted = seconds(attempt.started_at, end);
  const waited = before ? seconds(before.finished_at, attempt.created_at) : null;
  const changed = before?.config && attempt.config ? differences(before.config, attempt.config) : [];
  const ended = exitText(attempt.exit);
  return (
    <li data-attempt={attempt.attempt}>
      {waited !== null && (
        <p className="mb-2 flex items-center gap-1.5 border-l-2 border-dashed border-line pl-3 text-[13px] text-soft">
          <ArrowDownToDot aria-hidden className="size-3.5" />
          {waited < 1 ? "at once" : `waited ${duration(waited)}`}
        </p>
      )}
      <div className={`rounded-md border px-3 py-2 ${chosen && onChoose ? "border-accent" : "border-line"}`}>
        <div className="flex flex-wrap items-center justify-between gap-2">
          <span className="flex items-center gap-2 font-medium">
            Attempt {attempt.attempt} <StatusBadge status={attempt.status} />
          </span>
          {onChoose && (
            <button
              type="button"
              className="min-h-6 text-[13px] text-accent underline underline-offset-2"
              aria-label={`Show the log of attempt ${attempt.attempt}`}
              onClick={() => onChoose(attempt.attempt)}
            >
              Log
            </button>
          )}
        </div>
        <p className="text-[13px] text-soft">
          <Ago at={attempt.started_at ?? attempt.created_at} />
          {lasted !== null && ` · ${duration(lasted)}`}
          {attempt.epoch !== null && ` · epoch ${attempt.epoch} done`}
          {attempt.resumed_from &&
            ` · went on from epoch ${attempt.resumed_from.epoch}${attempt.resumed_from.job_id ? ` of ${attempt.resumed_from.job_id}` : ""}`}
          {attempt.charged === false && attempt.started_at && " · not charged"}
          {attempt.agent_id && ` · on ${attempt.agent_id}`}
        </p>
        {attempt.error && (
          <p className="mt-1 break-words">
            <code className="rounded bg-bad-ground px-1 font-mono text-xs text-bad">
              {attempt.error.code}
            </code>{" "}
            <Code text={attempt.error.message} />
            {ended && <span className="text-[13px] text-soft"> ({ended})</span>}
          </p>
        )}
        <Verdicts verdicts={attempt.verdicts} />
        {attempt.decision && <p className="mt-1 text-[13px] text-soft">{followed(attempt, stopped)}</p>}
        {changed.length > 0 && (
          <div className="mt-1">
            <Diff changes={changed} />
          </div>
        )}
      </div>
    </li>
  );
}

/** What the attempt was diagnosed as before its present verdict, newest first. */
function Verdicts({ verdicts }: { verdicts: Verdict[] }) {
  if (!verdicts.length) return null;
  return (
    <details className="mt-1 text-[13px] text-soft">
      <summary className="cursor-pointer">
        {verdicts.length === 1 ? "One earlier verdict" : `${verdicts.length} earlier verdicts`}
      </summary>
      <ul className="mt-1 flex flex-col gap-1 pl-3">
        {verdicts.toReversed().map((verdict) => (
          <li key={`${verdict.at}/${verdict.code}`}>
            Diagnosed before as <code className="font-mono text-xs">{verdict.code ?? "no failure"}</code>
            {verdict.confidence !== null && ` (${Math.round(verdict.confidence * 100)} %)`}
            {", "}
            <Ago at={verdict.at} prefix="until " />
            {verdict.evidence.map((line) => (
              <code key={line} className="block font-mono text-xs break-words whitespace-pre-wrap">
                {line}
              </code>
            ))}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Next({ job, buttons, last }: { job: Job; buttons: ReactNode; last: Attempt | null }) {
  const now = useNow(500);
  const left = job.retry_at ? Math.max(0, Math.ceil((Date.parse(job.retry_at) - now) / 1000)) : 0;
  const changed = last?.decision ? changes(last.config ?? job.config, last.decision.patch ?? []) : [];
  return (
    <li className="rounded-md border border-dashed border-line px-3 py-2">
      <p className="font-medium">
        Attempt {job.attempt + 1}{" "}
        <span className="font-normal text-soft">{left > 0 ? `retrying in ${left} s` : "now"}</span>
      </p>
      <div className="mt-1">{buttons}</div>
      {changed.length > 0 && <Diff changes={changed} />}
    </li>
  );
}
