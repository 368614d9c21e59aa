// What a failed job says of itself beyond its error: diagnosis, certainty, impact. Pure.

import type { Artifact, Attempt, Job } from "../generated/api";
import type { ErrorCode } from "../generated/errorCodes";
import { duration } from "./format";

/** Below this a diagnosis is called likely. */
const CERTAIN = 0.8;

const CAUSERS: Record<string, string> = {
  user: "the configuration",
  data: "the data",
  platform: "the platform",
  hardware: "the machine",
  dependency: "a service that the platform uses",
};

/** Whose fault it is, in words; null where nobody knows. */
export const causerWord = (causer: string): string | null => CAUSERS[causer] ?? null;

const UNKNOWN: ErrorCode = "UNKNOWN_FAILURE";

type Found = Pick<NonNullable<Attempt["diagnosis"]>, "code" | "confidence">;

/** Whether a diagnosis may be wrong. That the cause is not known is no guess. */
export const isGuess = ({ code, confidence }: Found) => code !== UNKNOWN && confidence < CERTAIN;

/** How sure a diagnosis is, in words. */
export function certainty(found: Found): string {
  if (found.code === UNKNOWN) return "No cause was recognised";
  const sure = `onfidence ${Math.round(found.confidence * 100)} %`;
  return isGuess(found) ? `Likely: c${sure}` : `C${sure}`;
}

const SIGNALS: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

export function exitText(exit: Attempt["exit"]): string | null {
  if (!exit) return null;
  if (exit.signal !== null)
    return `ended by signal ${exit.signal}${SIGNALS[exit.signal] ? `, ${SIGNALS[exit.signal]}` : ""}`;
  return exit.code === null ? null : `exit code ${exit.code}`;
}

const ENDED_BY: Record<string, string> = {
  timeout: "its time limit was reached",
  cancel: "it was cancelled",
  shutdown: "its machine was shut down",
};

/** A line of evidence as people read it: what the platform noted of its own doing, in words. */
export function evidenceText(line: string): string {
  const by = ENDED_BY[/^killed_by: (\w+)$/.exec(line)?.[1] ?? ""];
  return by ? `The platform ended the training: ${by}` : line;
}

const AGAIN = "trying again";

/** Why what follows an attempt follows it, without the title of its error: that stands beside it already. */
export function reason(attempt: Attempt): string {
  const said = attempt.decision?.reason ?? "";
  const title = `${attempt.error?.title}: `;
  const rest = said.startsWith(title) ? said.slice(title.length) : said;
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

const FOLLOWED: Record<string, string> = {
  retry: "Tried again",
  repair: "Repaired and tried again",
  elsewhere: "Tried again on another machine",
  fail: "Ended here",
};

/** What followed an attempt; `stopped`: the job ended before the next one that was decided on. */
export function followed(attempt: Attempt, stopped: boolean): string | null {
  if (!attempt.decision) return null;
  const { action } = attempt.decision;
  const what = stopped ? "Was to be tried again" : (FOLLOWED[action] ?? action);
  const why = reason(attempt);
  // "(1 of 3)" is all that such a reason says beyond what was done.
  if (why.toLowerCase().startsWith(AGAIN)) return `${what} ${/\(.*\)$/.exec(why)?.[0] ?? ""}`.trim();
  return why ? `${what}: ${why.charAt(0).toLowerCase()}${why.slice(1)}` : what;
}

/** The attempt that the job's end is explained by: the last one that was diagnosed. */
export function decisive(attempts: Attempt[]): Attempt | null {
  return attempts.findLast((attempt) => attempt.diagnosis !== null) ?? null;
}

export const lastFailed = (attempts: Attempt[]) =>
  attempts.findLast((attempt) => attempt.error !== null) ?? null;

/** Seconds between two times, null where one is missing. */
export function seconds(from: string | null, to: string | null): number | null {
  return from && to ? Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000) : null;
}

function newestWeights(artifacts: Artifact[]): Artifact | null {
  const weights = artifacts.filter((item) => item.role === "checkpoint" || item.role === "weights");
  return weights.sort((a, b) => (b.epoch ?? -1) - (a.epoch ?? -1))[0] ?? null;
}

/** Epochs that were done and are not in the checkpoint from which another try would go on. */
export function lostEpochs(job: Job, attempts: Attempt[]): number {
  const reached = Math.max(0, ...attempts.map((attempt) => attempt.epoch ?? 0));
  return Math.max(0, reached - (job.goes_on?.epoch ?? 0));
}

/** Where a retry with these changes begins, in words; null where nothing was done that it could go on from. */
export function goesOnText(job: Job, changed: string[] = []): string | null {
  const at = job.goes_on;
  if (!at?.epoch) return null;
  const foreign = changed.filter((path) => !at.may_change.includes(path.split(".")[0] ?? path));
  if (foreign.length) return `Begins anew: ${foreign.join(", ")} changes what was trained.`;
  const next = Math.min(at.epoch + 1, job.config.epochs);
  return `Continues at epoch ${next} of ${job.config.epochs}.`;
}

/** What of the compute time counts against the user and what does not. */
export function chargeText(attempts: Attempt[]): string | null {
  const sum = (charged: boolean) =>
    attempts.reduce(
      (all, item) =>
        item.charged === charged ? all + (seconds(item.started_at, item.finished_at) ?? 0) : all,
      0,
    );
  const [paid, free] = [sum(true), sum(false)];
  if (!paid && !free) return null;
  if (!free) return `${duration(paid)} of compute time is charged: the cause lies in the job.`;
  const not = `${duration(free)} of compute time is not charged: the cause lies with the platform or is unknown.`;
  return paid ? `${not} ${duration(paid)} is charged.` : not;
}

export function impact(job: Job, attempts: Attempt[], artifacts: Artifact[]): string[] {
  const begun = attempts.filter((attempt) => attempt.started_at !== null);
  if (!begun.length) return ["It was refused before it started: nothing was trained, nothing is charged."];
  const spent = begun.reduce(
    (sum, attempt) => sum + (seconds(attempt.started_at, attempt.finished_at) ?? 0),
    0,
  );
  const reached = Math.max(0, ...begun.map((attempt) => attempt.epoch ?? 0));
  const wanted = job.config.epochs;
  const times = begun.length === 1 ? "one attempt" : `${begun.length} attempts`;
  const lines = [
    reached
      ? `${reached} of ${wanted} epochs were done in ${times}, ${duration(spent)} of training.`
      : `No epoch was finished in ${times}, ${duration(spent)} of training.`,
  ];
  const lost = lostEpochs(job, attempts);
  if (job.goes_on && reached)
    lines.push(
      lost
        ? `${lost} ${lost === 1 ? "epoch is" : "epochs are"} lost: the last checkpoint is of epoch ${job.goes_on.epoch}.`
        : `No epoch is lost: the last checkpoint is of epoch ${job.goes_on.epoch}.`,
    );
  const charge = chargeText(begun);
  if (charge) lines.push(charge);
  const kept = newestWeights(artifacts);
  if (kept)
    lines.push(
      `The weights of ${kept.epoch === null ? "its last state" : `epoch ${kept.epoch}`} are kept: ${kept.name}.`,
    );
  return lines;
}
