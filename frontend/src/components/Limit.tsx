// A limit or a permission that is in the way: how much is used, what to give back, and who can grant more.

import type { ApiError } from "../services/api";
import { linkClass, Progress } from "./ui";

const OPEN = ["queued", "starting", "running", "waiting"];
/** An address and no route: errors are shown outside of the router too. */
const OPEN_JOBS = `/?status=${encodeURIComponent(JSON.stringify(OPEN))}`;

export function OpenJobs({ current, limit }: { current: number; limit: number }) {
  return (
    <>
      <p>
        <strong className="font-medium">Open jobs</strong>{" "}
        <span className="tabular-nums">
          {current.toLocaleString("en")} of {limit.toLocaleString("en")}
        </span>{" "}
        <span className="text-soft">at a time</span>
      </p>
      <div className="my-1.5">
        <Progress value={limit ? current / limit : 1} label="Open jobs of those that may be" />
      </div>
    </>
  );
}

/** What an error of a limit or a permission says beyond its text; nothing for others. */
export function Limit({ error }: { error: ApiError }) {
  if (error.code === "QUOTA_EXCEEDED") return <Quota params={error.shown.params} />;
  if (error.code === "INSUFFICIENT_PERMISSIONS") return <Grant params={error.shown.params} />;
  return null;
}

type Params = Record<string, unknown>;

function Quota({ params }: { params: Params }) {
  const { current, limit } = params;
  const jobs = params.resource === "open jobs" && typeof current === "number" && typeof limit === "number";
  return (
    <div className="mt-2 text-ink">
      {jobs && (
        <>
          <OpenJobs current={current} limit={limit} />
          <p>
            <a href={OPEN_JOBS} className={linkClass}>
              See the open jobs
            </a>{" "}
            and cancel those that are no longer needed.
          </p>
        </>
      )}
      <p>
        Whoever runs the platform can raise the limit
        {jobs && (
          <>
            {" "}
            (<code className="font-mono text-[0.92em]">VTP_MAX_OPEN_JOBS</code>)
          </>
        )}
        .
      </p>
    </div>
  );
}

function Grant({ params }: { params: Params }) {
  const role = typeof params.required_role === "string" ? params.required_role : null;
  return (
    <p className="mt-1 text-ink">
      Whoever runs the platform can grant it{role && `, with the role ${role}`}: they need the address of this
      page and the trace id below.
    </p>
  );
}
