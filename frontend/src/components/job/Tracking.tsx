// What MLflow has been told of a training: up to date, or what waits and since when, and the last gap with its end.

import { Ban, CheckCircle2, ExternalLink, type LucideIcon, RefreshCw, TriangleAlert } from "lucide-react";
import type { Job, MlflowGap, MlflowView } from "../../generated/api";
import { duration } from "../../lib/format";
import { isFinal } from "../../lib/job";
import { Ago, Card, linkClass } from "../ui";

interface Look {
  word: string;
  icon: LucideIcon;
  tone: string;
}

/** The card of a job that MLflow is told of; without an MLflow there is none. */
export function Tracking({ job }: { job: Job }) {
  if (!job.mlflow) return null;
  return (
    <Card id="mlflow" title="MLflow">
      <Told told={job.mlflow} open={!isFinal(job)} />
    </Card>
  );
}

interface ToldProps {
  told: MlflowView;
  /** The training goes on. */
  open: boolean;
}

function Told({ told, open }: ToldProps) {
  const { word, icon: Icon, tone } = look(told);
  return (
    <div data-tracking={told.state} className="flex flex-col gap-2 text-[13px]">
      <p role="status" className={`flex items-center gap-1.5 font-medium ${tone}`}>
        <Icon aria-hidden className="size-4 shrink-0" />
        {word}
      </p>
      <Now told={told} open={open} />
      {told.given_up > 0 && (
        <p className="text-warn">
          {updates(told.given_up)} will never be there: more waited than the platform keeps. On this page
          nothing is missing.
        </p>
      )}
      {told.gap?.until && <Past gap={told.gap} until={told.gap.until} />}
      {told.url && (
        <a
          href={told.url}
          target="_blank"
          rel="noreferrer"
          className={`inline-flex items-center gap-1 self-start ${linkClass}`}
        >
          Open the run in MLflow
          <ExternalLink aria-hidden className="size-3.5" />
        </a>
      )}
    </div>
  );
}

function look({ state, waiting, given_up, url }: MlflowView): Look {
  if (state === "behind") return { word: "Waiting for MLflow", icon: TriangleAlert, tone: "text-warn" };
  if (state === "refused") return { word: "Not taken by MLflow", icon: Ban, tone: "text-bad" };
  if (state === "complete") {
    const word = given_up ? "All there but what was given up" : "All there";
    return { word, icon: CheckCircle2, tone: given_up ? "text-warn" : "text-good" };
  }
  if (waiting || !url) return { word: "Being sent", icon: RefreshCw, tone: "text-info" };
  return { word: "Up to date", icon: CheckCircle2, tone: "text-good" };
}

/** How it stands at this moment. */
function Now({ told, open }: ToldProps) {
  const { state, waiting, reason, gap, given_up } = told;
  const kept = given_up ? "What waits is kept" : "Nothing is lost";
  if (state === "behind")
    return (
      <>
        <p className="break-words">
          {reason ? `MLflow ${reason}.` : "MLflow cannot be reached."}{" "}
          {waiting
            ? `${updates(waiting)} ${waiting === 1 ? "waits" : "wait"}`
            : "The end of the training waits"}
          {gap && (
            <>
              {" "}
              since <Moment at={gap.since} /> (<Ago at={gap.since} />)
            </>
          )}
          .
        </p>
        <p className="text-soft">
          {kept}: it is sent in order as soon as MLflow takes it.{" "}
          {open && "The training does not wait for it."}
        </p>
      </>
    );
  if (state === "refused")
    return (
      <p className="break-words">
        {reason ? `MLflow ${reason}.` : "MLflow does not take it."} Nothing more of this training is sent
        there; all of it stays on this page.{" "}
        <a href="/errors/MLFLOW_UNAVAILABLE" target="_blank" rel="noreferrer" className={linkClass}>
          What this means
        </a>
      </p>
    );
  if (state === "complete") return null;
  if (waiting) return <p className="text-soft">{updates(waiting)} on the way.</p>;
  return open ? null : <p className="text-soft">Its files and its end are on the way.</p>;
}

/** A gap that is over. */
function Past({ gap, until }: { gap: MlflowGap; until: string }) {
  const seconds = (Date.parse(until) - Date.parse(gap.since)) / 1000;
  return (
    <p className="text-soft">
      Gap from <Moment at={gap.since} /> to <Moment at={until} /> ({duration(seconds)}):{" "}
      {gap.points
        ? `${gap.points} ${gap.points === 1 ? "figure" : "figures"} came late, in order.`
        : "no figure came late."}
    </p>
  );
}

/** A time of day; with the day where that is not today. */
function Moment({ at }: { at: string }) {
  const when = new Date(at);
  const today = when.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at} title={at} className="whitespace-nowrap tabular-nums">
      {today ? when.toLocaleTimeString() : when.toLocaleString()}
    </time>
  );
}

const updates = (count: number) => (count === 1 ? "1 update" : `${count.toLocaleString("en")} updates`);
