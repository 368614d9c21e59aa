import { Link } from "@tanstack/react-router";
import { ClipboardCopy, LifeBuoy } from "lucide-react";
import { useState } from "react";
import type { Job } from "../../generated/api";
import type { JobActions } from "../../hooks/useJobActions";
import { useNow } from "../../hooks/useNow";
import { seconds } from "../../lib/failure";
import { duration, figure, shortName } from "../../lib/format";
import { isFinal, primary, title } from "../../lib/job";
import { Dialog } from "../Dialog";
import { StatusBadge, statusWord } from "../Status";
import { Ago, Button, linkClass, PageHead } from "../ui";
import { Support } from "./Support";

interface HeaderProps {
  job: Job;
  actions: JobActions;
  onCopy: (text?: string) => void;
}

export function Header({ job, actions, onCopy }: HeaderProps) {
  const [asking, setAsking] = useState(false);
  const [support, setSupport] = useState(false);
  const now = useNow(1000);
  const best = primary(job);
  const took = seconds(job.started_at, job.finished_at ?? new Date(now).toISOString());
  return (
    <>
      <PageHead
        above={
          <nav aria-label="Breadcrumb">
            <Link to="/" className={linkClass}>
              Jobs
            </Link>{" "}
            / <span className="font-mono">{job.job_id}</span>
          </nav>
        }
        title={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            {title(job)} <StatusBadge status={job.status} />
          </span>
        }
      >
        <Button small onClick={() => onCopy()}>
          <ClipboardCopy aria-hidden className="size-4" /> Copy for support
        </Button>
        {job.status === "failed" && (
          <Button small onClick={() => setSupport(true)}>
            <LifeBuoy aria-hidden className="size-4" /> Support bundle
          </Button>
        )}
        {isFinal(job) ? (
          <Button small onClick={() => actions.edit()}>
            Train again
          </Button>
        ) : (
          <Button
            small
            look="danger"
            busy={actions.cancel.isPending}
            disabled={job.status === "cancelling"}
            onClick={() => setAsking(true)}
          >
            {job.status === "cancelling" ? "Cancelling" : "Cancel"}
          </Button>
        )}
      </PageHead>
      {/* A failure is an alert of its own. */}
      <p role="status" className="sr-only">
        {job.status === "failed" ? "" : `${job.job_id}: ${statusWord(job.status)}`}
      </p>
      <p className="-mt-3 mb-4 flex flex-wrap gap-x-4 gap-y-0.5 text-[13px] text-soft">
        {job.name && (
          <span>
            {job.model} on {job.dataset_id}
          </span>
        )}
        <span>
          {job.framework}
          {job.task && `, ${job.task}`}
        </span>
        <span>
          submitted <Ago at={job.created_at} />
        </span>
        {took !== null && <span className="tabular-nums">ran {duration(took)}</span>}
        {best && (
          <span className="text-ink">
            {shortName(best.name)} <strong>{figure(best.value)}</strong>
          </span>
        )}
        <Lineage job={job} />
      </p>
      {support && <Support job={job} onCopy={onCopy} onClose={() => setSupport(false)} />}
      {asking && (
        <Dialog title={`Cancel ${job.job_id}?`} onClose={() => setAsking(false)}>
          <p>The training is stopped. What it has reached so far, and its last checkpoint, are kept.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsking(false)}>Let it run</Button>
            <Button
              look="danger"
              onClick={() => {
                setAsking(false);
                actions.cancel.mutate();
              }}
            >
              Cancel the job
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function Lineage({ job }: { job: Job }) {
  return (
    <>
      {job.retry_of && (
        <span>
          retry of{" "}
          <Link to="/jobs/$jobId" params={{ jobId: job.retry_of }} className={linkClass}>
            {job.retry_of}
          </Link>
          {job.begins_at ? `, from epoch ${job.begins_at} on` : ", from the beginning"}
        </span>
      )}
      {job.retried_as && (
        <span>
          retried as{" "}
          <Link to="/jobs/$jobId" params={{ jobId: job.retried_as }} className={linkClass}>
            {job.retried_as}
          </Link>
          {job.retried_status && `, ${statusWord(job.retried_status).toLowerCase()}`}
        </span>
      )}
    </>
  );
}
