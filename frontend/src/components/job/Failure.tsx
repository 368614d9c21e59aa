// A failed job, in the order in which people ask: what happened, why we think so, what to do, what it has cost.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleX } from "lucide-react";
import type { ReactNode, Ref } from "react";
import type { Artifact, Attempt, Fix, Job, PublicError } from "../../generated/api";
import { errorCodes, isErrorCode } from "../../generated/errorCodes";
import type { JobActions } from "../../hooks/useJobActions";
import { causerWord, decisive, goesOnText, impact, isGuess } from "../../lib/failure";
import { remedies, safeUrl } from "../../lib/fixes";
import { changes } from "../../lib/job";
import { api } from "../../services/api";
import { Code } from "../Code";
import { Diff } from "../Diff";
import { statusWord } from "../Status";
import { Button, buttonClass, linkClass } from "../ui";
import { Diagnosis } from "./Diagnosis";
import { Helped } from "./Helped";
import { Similar } from "./Similar";

interface FailureProps {
  job: Job;
  error: PublicError;
  attempts: Attempt[];
  artifacts: Artifact[];
  actions: JobActions;
  heading: Ref<HTMLHeadingElement>;
  onEvidence: (line: string) => void;
  onError: (error: Error) => void;
  /** Whether an evidence line is in the log that is shown. */
  inLog: (line: string) => boolean;
}

export function Failure({
  job,
  error,
  attempts,
  artifacts,
  actions,
  heading,
  onEvidence,
  onError,
  inLog,
}: FailureProps) {
  const attempt = decisive(attempts);
  const cause = isErrorCode(error.code) ? causerWord(errorCodes[error.code].causer) : null;
  const unsure = attempt?.diagnosis ? isGuess(attempt.diagnosis) : false;
  return (
    <section
      aria-labelledby="failure-title"
      data-error={error.code}
      className="mb-4 rounded-lg border border-l-4 border-bad bg-panel"
    >
      <div className="rounded-t-md bg-bad-ground px-4 py-3">
        <div className="flex gap-3">
          <CircleX aria-hidden className="mt-0.5 size-5 shrink-0 text-bad" />
          <div className="min-w-0">
            <div className="flex gap-x-1.5 font-semibold">
              {/* Beside what is announced: how sure the diagnosis is becomes known a moment later. */}
              <span className="text-bad">{unsure ? "Likely:" : "Failed:"}</span>
              <div role="alert" className="min-w-0">
                <h2 id="failure-title" ref={heading} tabIndex={-1} className="break-words">
                  <Code text={error.message} />
                </h2>
              </div>
            </div>
            <p className="mt-0.5 text-[13px] text-soft">
              {error.title} · <code className="font-mono">{error.code}</code>
              {cause && ` · cause: ${cause}`}
            </p>
          </div>
        </div>
      </div>
      <div className="grid gap-x-8 gap-y-4 px-4 py-4 lg:grid-cols-2">
        <Part title="Diagnosis">
          <Diagnosis
            job={job}
            error={error}
            attempt={attempt}
            actions={actions}
            onEvidence={onEvidence}
            inLog={inLog}
          />
        </Part>
        <Part title="What to do">
          <Remedies job={job} error={error} config={attempt?.config ?? job.config} actions={actions} />
        </Part>
        <Part title="Impact">
          <Impact job={job} attempts={attempts} artifacts={artifacts} />
        </Part>
        <Part title="Similar failures">
          <Similar job={job} />
          <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-[13px] break-all text-soft">
            {safeUrl(error.doc_url) && (
              <a href={safeUrl(error.doc_url) ?? ""} target="_blank" rel="noreferrer" className={linkClass}>
                About {error.code}
              </a>
            )}
            <span>
              Trace id <code className="font-mono select-all">{error.trace_id}</code>
            </span>
          </p>
          <Helped job={job} onError={onError} />
        </Part>
      </div>
    </section>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <h3 className="mb-1 text-xs font-semibold tracking-wide text-soft uppercase">{title}</h3>
      {children}
    </div>
  );
}

interface RemediesProps extends Pick<FailureProps, "job" | "error" | "actions"> {
  /** What failed last, repairs included: a fix is a change of that. */
  config: object;
}

function Remedies({ job, error, config, actions }: RemediesProps) {
  const { safe, review, manual } = remedies(error.fixes);
  const busy = actions.retry.isPending;
  const again = (
    <Button
      small
      look={error.retryable ? "secondary" : "ghost"}
      busy={busy}
      onClick={() => actions.retry.mutate(null)}
    >
      {job.goes_on ? "Resume unchanged" : "Try again unchanged"}
    </Button>
  );
  return (
    <>
      {error.suggested_action && (
        <p className="mb-2">
          <Code text={error.suggested_action} />
        </p>
      )}
      {manual.map((fix) => (
        <p key={fix.id} className="mb-2">
          {fix.label}
        </p>
      ))}
      <ul className="flex flex-col gap-2">
        {[...safe, ...review].map((fix, index) => (
          <FixRow
            key={fix.id}
            fix={fix}
            job={job}
            config={config}
            first={index === 0}
            busy={busy}
            onApply={actions.applyFix}
          />
        ))}
      </ul>
      <div className="mt-3 flex flex-wrap gap-2">
        {error.retryable && again}
        <Button small look={error.fixes.length ? "ghost" : "secondary"} onClick={() => actions.edit()}>
          Change the settings
        </Button>
        {!error.retryable && job.goes_on && again}
        {error.code.startsWith("DATASET_") && (
          <Link
            to="/datasets/$datasetId"
            params={{ datasetId: job.dataset_id }}
            className={buttonClass("ghost", true)}
          >
            See the data set
          </Link>
        )}
      </div>
      {!safe.length && !review.length && <GoesOn job={job} changed={[]} />}
    </>
  );
}

/** What it has cost: epochs, compute time that is charged or not, and who waits meanwhile. */
function Impact({ job, attempts, artifacts }: Pick<FailureProps, "job" | "attempts" | "artifacts">) {
  const summary = useQuery({
    queryKey: ["waiting-jobs"],
    queryFn: () => api.jobSummary({}),
    staleTime: 10_000,
    retry: false,
  });
  const queued = summary.data?.by_status.queued ?? 0;
  return (
    <>
      {impact(job, attempts, artifacts).map((line) => (
        <p key={line}>{line}</p>
      ))}
      {summary.data && (
        <p>
          {queued === 0
            ? "No job waits for a machine."
            : queued === 1
              ? "One job waits for a machine."
              : `${queued} jobs wait for a machine.`}
        </p>
      )}
      {job.retried_as && (
        <p>
          Tried again as{" "}
          <Link to="/jobs/$jobId" params={{ jobId: job.retried_as }} className={linkClass}>
            {job.retried_as}
          </Link>
          {job.retried_status && `, ${statusWord(job.retried_status).toLowerCase()}`}.
        </p>
      )}
    </>
  );
}

function GoesOn({ job, changed }: { job: Job; changed: string[] }) {
  const text = goesOnText(job, changed);
  return text && <p className="text-[13px] text-soft">{text}</p>;
}

interface FixRowProps {
  fix: Fix;
  job: Job;
  config: object;
  first: boolean;
  busy: boolean;
  onApply: (fix: Fix) => void;
}

function FixRow({ fix, job, config, first, busy, onApply }: FixRowProps) {
  const safe = fix.applicability === "safe";
  const changed = changes(config, fix.patch);
  return (
    <li className="flex flex-wrap items-center justify-between gap-2 rounded-md border border-line px-3 py-2">
      <div className="min-w-0">
        <p className="font-medium">{fix.label}</p>
        <Diff changes={changed} />
        <GoesOn job={job} changed={changed.map((change) => change.path)} />
      </div>
      <Button small look={safe && first ? "primary" : "secondary"} busy={busy} onClick={() => onApply(fix)}>
        {safe ? (busy ? "Starting" : "Apply and train") : "Review first"}
      </Button>
    </li>
  );
}
