// What a failed job says of itself beyond its error: diagnosis, certainty, impact. Pure.

import type { Artifact, Attempt, Job } from "../generated/api";
import { duration } from "./format";

/** Below this a diagnosis is called likely. */
export const CERTAIN = 0.8;

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
    return `ended by signal ${exit.signal}${SIGNALS[exit.signal] ? ` (${SIGNALS[exit.signal]})` : ""}`;
  return exit.code === null ? null : `exit code ${exit.code}`;
}

/** The attempt that the job's end is explained by: the last one that was diagnosed. */
export function decisive(attempts: Attempt[]): Attempt | null {
  return attempts.findLast((attempt) => attempt.diagnosis !== null) ?? null;
}

/** Seconds between two times, null where one is missing. */
export function seconds(from: string | null, to: string | null): number | null {
  return from && to ? Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000) : null;
}

function newestWeights(artifacts: Artifact[]): Artifact | null {
  const weights = artifacts.filter((item) => item.role === "checkpoint" || item.role === "weights");
  return weights.sort((a, b) => (b.epoch ?? -1) - (a.epoch ?? -1))[0] ?? null;
}

export function impact(job: Job, attempts: Attempt[], artifacts: Artifact[]): string[] {
  const begun = attempts.filter((attempt) => attempt.started_at !== null);
  if (!begun.length)
    return ["It was refused before it started: nothing was trained, no computing time was used."];
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
  const kept = newestWeights(artifacts);
  if (kept)
    lines.push(
      `The weights of ${kept.epoch === null ? "its last state" : `epoch ${kept.epoch}`} are kept: ${kept.name}.`,
    );
  return lines;
}
