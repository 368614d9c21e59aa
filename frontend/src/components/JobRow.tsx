import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { Job } from "../generated/api";
import { duration, figure, shortName } from "../lib/format";
import { phase, primary, share, title } from "../lib/job";
import { Code } from "./Code";
import { Silence, StatusBadge, statusWord } from "./Status";
import { Ago, linkClass, Progress } from "./ui";

interface Props {
  job: Job;
  onCode: (code: string) => void;
}

/** One job of the list: its state, what it is, and in a line how it stands or why it failed. */
export const JobRow = memo(function JobRow({ job, onCode }: Props) {
  return (
    <div className="relative grid min-h-14 grid-cols-[1fr_auto] gap-x-4 gap-y-1 px-4 py-2 focus-within:bg-hover hover:bg-hover md:grid-cols-[8.5rem_minmax(0,1fr)_minmax(0,1.5fr)_6.5rem] md:items-center">
      <div className="order-2 justify-self-end md:order-none md:justify-self-start">
        <StatusBadge status={job.status} />
      </div>
      <div className="order-1 min-w-0 md:order-none">
        <Link
          to="/jobs/$jobId"
          params={{ jobId: job.job_id }}
          data-row
          className="font-medium text-ink no-underline after:absolute after:inset-0 hover:underline"
        >
          <span className="mr-1.5 font-mono text-[13px] text-soft">{job.job_id}</span>
          <span className="break-words">{title(job)}</span>
        </Link>
        <p className="truncate text-[13px] text-soft" title={about(job)}>
          {about(job)}
        </p>
      </div>
      <div className="order-3 col-span-2 min-w-0 md:order-none md:col-span-1">
        <Standing job={job} onCode={onCode} />
      </div>
      <div className="order-4 text-[13px] text-soft md:order-none md:text-right">
        <Ago at={job.finished_at ?? job.created_at} />
      </div>
    </div>
  );
});

const about = (job: Job) =>
  job.name ? `${job.model} on ${job.dataset_id}` : `${job.framework}, ${job.config.epochs} epochs`;

function Standing({ job, onCode }: { job: Job; onCode: (code: string) => void }) {
  const done = share(job);
  if (job.status === "succeeded") {
    const best = primary(job);
    return (
      <p className="text-[13px]">
        {best && (
          <>
            <span className="text-soft">{shortName(best.name)}</span> <strong>{figure(best.value)}</strong>
          </>
        )}
        <span className="text-soft"> after {duration(job.result?.duration_s)}</span>
      </p>
    );
  }
  if (job.status === "failed" && job.error) {
    return (
      <div className="flex min-w-0 flex-wrap items-center gap-x-2 gap-y-0.5">
        <button
          type="button"
          onClick={() => onCode(job.error?.code ?? "")}
          title={`Only jobs with ${job.error.code}`}
          className="relative z-1 min-h-6 rounded bg-bad-ground px-1.5 font-mono text-xs text-bad hover:underline"
        >
          {job.error.code}
        </button>
        <span className="min-w-0 flex-1 basis-40 truncate text-[13px]" title={job.error.message}>
          <Code text={job.error.message} />
        </span>
        {job.retried_as && (
          <Link
            to="/jobs/$jobId"
            params={{ jobId: job.retried_as }}
            className={`${linkClass} relative z-1 text-[13px]`}
          >
            retried as {job.retried_as}
            {job.retried_status && `, ${statusWord(job.retried_status).toLowerCase()}`}
          </Link>
        )}
      </div>
    );
  }
  if (job.status === "cancelled") return <p className="text-[13px] text-soft">Stopped by a user</p>;
  return (
    <div className="flex flex-col gap-1">
      <div className="flex flex-wrap justify-between gap-x-3 text-[13px] text-soft">
        <span>
          {job.progress?.epoch && job.status === "running"
            ? `Epoch ${job.progress.epoch} of ${job.progress.epochs}`
            : phase(job)}
        </span>
        <Silence status={job.status} heardAt={job.heard_at} />
        {job.status === "running" && job.progress?.eta_s != null && (
          <span>{duration(job.progress.eta_s)} left</span>
        )}
      </div>
      {done !== null && <Progress value={done} label={`Progress of ${job.job_id}`} />}
    </div>
  );
}
