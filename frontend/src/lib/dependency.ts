// How an integration stands, in a word and in sentences. Pure; what its state means for users is the API's to say.

import type { Dependency } from "../generated/api";

export interface Word {
  word: string;
  tone: "good" | "warn" | "bad" | "none";
}

/** The one word beside its name. */
export function wordOf(item: Dependency): Word {
  if (item.state === "ISOLATED" && (item.switched_off || !item.asked))
    return { word: "Switched off", tone: "warn" };
  if (item.configured === null) return { word: "Not set up", tone: "none" };
  if (item.reachable === false) return { word: "Not reachable", tone: "bad" };
  if (item.away && item.away < item.asked)
    return { word: `${item.asked - item.away} of ${item.asked} reachable`, tone: "warn" };
  if (item.degraded && item.state === "OPEN") return { word: "Out of service", tone: "bad" };
  if (item.degraded && item.state === "HALF_OPEN") return { word: "Being tried", tone: "warn" };
  return item.reachable ? { word: "Reachable", tone: "good" } : { word: "Not known", tone: "none" };
}

const BREAKER = {
  CLOSED: "calls go through",
  OPEN: "calls are refused at once, to let it recover",
  HALF_OPEN: "one call finds out whether it is back",
  ISOLATED: "all calls are kept away until it is reset",
};

/** What its breaker does; nothing where it has none. */
export function breakerOf(item: Dependency): string | null {
  if (!item.breaker_after || !item.state) return null;
  const parts = [BREAKER[item.state]];
  if (item.failure_count)
    parts.push(`${item.failure_count} of ${item.breaker_after.failures} failures in a row`);
  if (item.state === "OPEN" && item.retry_after)
    parts.push(`tried again in ${Math.ceil(item.retry_after)} s`);
  return parts.join(", ");
}

/** How calls to it are protected. */
export function policyOf(item: Dependency): string | null {
  if (item.attempts === null) return null;
  const breaker = item.breaker_after
    ? `; out of service for ${item.breaker_after.seconds} s after ${item.breaker_after.failures} failures`
    : "";
  const end = item.give_up === "none" ? "; done without in the end" : "";
  return `${item.attempts} attempts, waits of ${item.first_wait_s} to ${item.longest_wait_s} s${breaker}${end}`;
}

/** Those that are in use, and the names of those that are not set up. */
export function sorted(items: Dependency[]): { used: Dependency[]; unused: string[] } {
  const used = items.filter((item) => item.configured !== null || item.state === "ISOLATED");
  return { used, unused: items.filter((item) => !used.includes(item)).map((item) => item.title) };
}
