// Other jobs that failed in the same way, and what made them work.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Job } from "../../generated/api";
import { failures } from "../../services/failures";
import { linkClass } from "../ui";

const SHOWN = 3;

export function Similar({ job }: { job: Job }) {
  const alike = useQuery({
    queryKey: ["similar", job.job_id, job.error?.code],
    queryFn: () => failures.similar(job.job_id),
    staleTime: 10_000,
    retry: false,
  });
  if (alike.isPending) return null;
  if (alike.error) return <p className="text-[13px] text-soft">Similar failures cannot be looked up now.</p>;
  const { jobs, fixes, this_week, group } = alike.data;
  const all = group && (
    <p className="mt-1">
      <Link to="/failures/$groupId" params={{ groupId: String(group.group_id) }} className={linkClass}>
        All failures like this
      </Link>
    </p>
  );
  if (!jobs.length)
    return (
      <>
        <p>No other job has failed like this.</p>
        {all}
      </>
    );
  return (
    <>
      <p>
        {this_week === 1 ? "Once this week" : `${this_week} times this week`}, also in{" "}
        {jobs.slice(0, SHOWN).map((other, index) => (
          <span key={other.job_id}>
            {index > 0 && ", "}
            <Link to="/jobs/$jobId" params={{ jobId: other.job_id }} className={linkClass}>
              {other.job_id}
            </Link>
          </span>
        ))}
        {jobs.length > SHOWN && " and others"}.
      </p>
      {fixes.slice(0, SHOWN).map((fix) => (
        <p key={fix.text} className="mt-1">
          {fix.text},{" "}
          <Link to="/jobs/$jobId" params={{ jobId: fix.example }} className={linkClass}>
            as in {fix.example}
          </Link>
        </p>
      ))}
      {!fixes.length && <p className="text-soft">None of them has succeeded since.</p>}
      {all}
    </>
  );
}
