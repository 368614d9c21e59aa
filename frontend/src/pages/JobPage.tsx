import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type RefObject, useRef } from "react";
import { toast } from "sonner";
import { ErrorAlert } from "../components/ErrorAlert";
import { CardError, PageError } from "../components/Failures";
import { Attempts } from "../components/job/Attempts";
import { CompareChooser, type Comparison, ConfigDifferences, useComparison } from "../components/job/Compare";
import { Config } from "../components/job/Config";
import { Curves } from "../components/job/Curves";
import { Failure } from "../components/job/Failure";
import { Files, hasPictures, Pictures } from "../components/job/Files";
import { Header } from "../components/job/Header";
import { Log, type LogHandle } from "../components/job/Log";
import { Neighbours } from "../components/job/Neighbours";
import { Signs } from "../components/job/Signs";
import { ConnectionBanner, RetryButtons, Standing, Waiting } from "../components/job/Standing";
import { Tracking } from "../components/job/Tracking";
import { RefetchBanner } from "../components/RefetchBanner";
import { Card, Loading } from "../components/ui";
import type { Attempt, Job, SystemStatus } from "../generated/api";
import { type Evidence, useEvidence } from "../hooks/useEvidence";
import { useHotkeys } from "../hooks/useHotkeys";
import { type JobActions, useJobActions } from "../hooks/useJobActions";
import { useTitle } from "../hooks/useTitle";
import { type TrainingJobView, useTrainingJob } from "../hooks/useTrainingJob";
import { decisive, lastFailed } from "../lib/failure";
import { remedies } from "../lib/fixes";
import { isFinal } from "../lib/job";
import { supportText } from "../lib/support";

export function JobPage() {
  const { jobId } = useParams({ from: "/jobs/$jobId" });
  // Another job is another page: nothing of the one before stays.
  return <OneJob key={jobId} jobId={jobId} />;
}

function OneJob({ jobId }: { jobId: string }) {
  const view = useTrainingJob(jobId);
  const { data, error } = view.job;
  useTitle(data ? `${data.job_id} ${data.status}` : jobId);
  if (data) return <Shown job={data} view={view} />;
  if (error) return <PageError error={error} onRetry={() => view.job.refetch()} />;
  return <Loading what={`job ${jobId}`} rows={5} />;
}

function Shown({ job, view }: { job: Job; view: TrainingJobView }) {
  const client = useQueryClient();
  const wanted = useSearch({ from: "/jobs/$jobId" }).attempt;
  const attempts = view.attempts.data ?? [];
  const artifacts = view.artifacts.data ?? [];
  const attempt = wanted ?? Math.max(job.attempt, 1);
  const actions = useJobActions(job, view.handleError, view.clearError);
  const heading = useRef<HTMLHeadingElement>(null);
  const log = useRef<LogHandle>(null);
  const evidence = useEvidence(view.log, attempt, decisive(attempts));

  const copy = async (text?: string) => {
    const version = client.getQueryData<SystemStatus>(["system"])?.version ?? null;
    const whole = text ?? supportText(job, attempts, view.log.lines(attempt), version);
    await navigator.clipboard.writeText(whole);
    toast.success("Copied as Markdown");
  };
  const again = () => {
    const safe = job.error && remedies(job.error.fixes).safe[0];
    if (!isFinal(job)) return;
    if (safe) actions.applyFix(safe);
    else if (job.error?.retryable) actions.retry.mutate(null);
    else actions.edit();
  };
  useHotkeys({
    f: () => {
      if (!log.current?.firstError()) heading.current?.focus();
    },
    l: () => log.current?.focus(),
    r: again,
    c: () => copy(),
  });
  const stale = view.connection.status === "paused";
  return (
    <>
      <Header job={job} actions={actions} onCopy={copy} />
      <ConnectionBanner connection={view.connection} onRetry={view.retryNow} />
      {view.job.error && !stale && (
        <RefetchBanner error={view.job.error} failedAt={view.job.errorUpdatedAt} />
      )}
      {view.error && view.error.code !== "INVALID_TOKEN" && (
        <div className="mb-4">
          <ErrorAlert error={view.error} onDismiss={view.clearError} listFields />
        </div>
      )}
      {job.status === "failed" && job.error && (
        <Failure
          job={job}
          error={job.error}
          attempts={attempts}
          artifacts={artifacts}
          actions={actions}
          heading={heading}
          inLog={(line) => evidence.has(line)}
          onError={view.handleError}
          onEvidence={(line) => log.current?.show(line)}
        />
      )}
      {!isFinal(job) && <Signs signs={job.signs} />}
      {job.status === "waiting" && <Waiting job={job} last={lastFailed(attempts)} actions={actions} />}
      {!isFinal(job) && job.status !== "waiting" && <Standing job={job} stale={stale} />}
      {isFinal(job) && job.attempt === 0 ? (
        // Refused before it began: there is nothing of a training to show.
        <Card id="config" title="Configuration">
          <Config job={job} />
        </Card>
      ) : (
        <Training job={job} view={view} actions={actions} attempt={attempt} log={log} evidence={evidence} />
      )}
    </>
  );
}

interface TrainingProps {
  job: Job;
  view: TrainingJobView;
  actions: JobActions;
  attempt: number;
  log: RefObject<LogHandle | null>;
  evidence: Evidence;
}

/** Curves, log, pictures; beside them attempts, files, configuration. */
function Training({ job, view, actions, attempt, log, evidence }: TrainingProps) {
  const navigate = useNavigate({ from: "/jobs/$jobId" });
  const { compare } = useSearch({ from: "/jobs/$jobId" });
  const choose = (next: number) => navigate({ search: (old) => ({ ...old, attempt: next }), replace: true });
  const other = useComparison(compare);
  const attempts = view.attempts.data ?? [];
  const artifacts = view.artifacts.data ?? [];
  return (
    <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
      <div className="flex min-w-0 flex-col gap-4">
        {view.metrics.error && !view.metrics.data ? (
          <Card id="curves" title="Curves" flush>
            <CardError error={view.metrics.error} onRetry={() => view.metrics.refetch()} />
          </Card>
        ) : (
          <Curves
            job={job}
            epochs={view.metrics.data ?? []}
            other={other}
            chooser={
              <CompareChooser
                job={job}
                chosen={compare}
                onChoose={(next) => navigate({ search: (old) => ({ ...old, compare: next }), replace: true })}
              />
            }
          />
        )}
        <Card id="log" title="Log" flush>
          {view.logs.error ? (
            <CardError error={view.logs.error} onRetry={() => view.logs.refetch()} />
          ) : (
            <Log
              key={attempt}
              job={job}
              store={view.log}
              attempt={attempt}
              loading={!view.log.ready}
              evidence={new Set(evidence.values())}
              handle={log}
              chooser={<AttemptChooser attempts={attempts} attempt={attempt} onChoose={choose} />}
            />
          )}
        </Card>
        {hasPictures(artifacts) && (
          <Card id="pictures" title="Pictures">
            <Pictures artifacts={artifacts} failed={job.status === "failed"} />
          </Card>
        )}
      </div>
      <Side other={other} job={job} view={view} actions={actions} attempt={attempt} onChoose={choose} />
    </div>
  );
}

interface ChooserProps {
  attempts: Attempt[];
  attempt: number;
  onChoose: (attempt: number) => void;
}

function AttemptChooser({ attempts, attempt, onChoose }: ChooserProps) {
  if (attempts.length < 2) return null;
  return (
    <select
      aria-label="Log of attempt"
      className="min-h-7 rounded-md border border-line bg-panel px-1.5 text-[13px]"
      value={attempt}
      onChange={(event) => onChoose(Number(event.target.value))}
    >
      {attempts.map((item) => (
        <option key={item.attempt} value={item.attempt}>
          Attempt {item.attempt}
        </option>
      ))}
    </select>
  );
}

interface SideProps {
  job: Job;
  other: Comparison | null;
  view: TrainingJobView;
  actions: JobActions;
  attempt: number;
  onChoose: (attempt: number) => void;
}

function Side({ job, other, view, actions, attempt, onChoose }: SideProps) {
  const { attempts, artifacts } = view;
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <Card id="attempts" title="Attempts">
        {attempts.error && !attempts.data ? (
          <CardError error={attempts.error} onRetry={() => attempts.refetch()} />
        ) : (
          <Attempts
            job={job}
            buttons={<RetryButtons actions={actions} />}
            attempts={attempts.data ?? []}
            chosen={attempt}
            onChoose={onChoose}
          />
        )}
      </Card>
      <Card id="files" title="Files">
        {artifacts.error && !artifacts.data ? (
          <CardError error={artifacts.error} onRetry={() => artifacts.refetch()} />
        ) : (
          <Files job={job} artifacts={artifacts.data ?? []} />
        )}
      </Card>
      <Tracking job={job} />
      <Neighbours job={job} />
      {other && <ConfigDifferences job={job} other={other.job} />}
      <Card id="config" title="Configuration">
        <Config job={job} />
      </Card>
    </div>
  );
}
