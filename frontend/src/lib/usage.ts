// What has been used, as shares of a whole and in words. Pure.

import type { Usage } from "../generated/api";

export interface Part {
  key: string;
  label: string;
  seconds: number;
  attempts: number;
  /** From 0 to 1. */
  share: number;
}

const CAUSES: Record<string, string> = {
  user: "the jobs' own settings",
  data: "the data",
  platform: "the platform",
  hardware: "the machines",
  dependency: "services that the platform uses",
  unknown: "a cause that is not known",
};

const ENDS: Record<string, string> = { succeeded: "Succeeded", failed: "Failed", cancelled: "Cancelled" };
const ORDER = ["succeeded", "failed", "cancelled"];

function shares<T extends { seconds: number; attempts: number }>(
  rows: T[],
  key: (row: T) => string,
  words: Record<string, string>,
): Part[] {
  const whole = rows.reduce((sum, row) => sum + row.seconds, 0);
  return rows.map((row) => ({
    key: key(row),
    label: words[key(row)] ?? key(row),
    seconds: row.seconds,
    attempts: row.attempts,
    share: whole ? row.seconds / whole : 0,
  }));
}

/** Compute time by how attempts ended, always in the same order. */
export function byEnd(usage: Usage): Part[] {
  const parts = shares(usage.by_status, (row) => row.status, ENDS);
  return parts.sort((a, b) => ORDER.indexOf(a.key) - ORDER.indexOf(b.key));
}

/** Compute time of what failed, by what it failed through; the largest first. */
export function byCause(usage: Usage): Part[] {
  return shares(usage.by_causer, (row) => row.causer, CAUSES);
}

export const percent = (share: number) =>
  share > 0 && share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`;
