// Groups of failures as the page asks for them and puts them into words. Pure.

import type { Bucket, GroupView, Trend } from "../generated/api";
import type { FailureSearch } from "../router";
import type { GroupQuery } from "../services/errorGroups";
import { causerWord } from "./failure";

export const SOURCES: Record<string, string> = { job: "Trainings", api: "Interface", page: "Web page" };
export const CAUSERS = ["user", "data", "platform", "hardware", "dependency", "unknown"] as const;

/** Chips of states: what is left of the list by each. */
export const STATES: Record<string, { label: string; means: string; asks: string[] }> = {
  unresolved: { label: "Unresolved", means: "Open or regressed", asks: ["open", "regressed"] },
  regressed: { label: "Regressed", means: "Came back after they were resolved", asks: ["regressed"] },
  resolved: { label: "Resolved", means: "Resolved, and not seen again", asks: ["resolved"] },
  ignored: { label: "Ignored", means: "Counted on, and left alone", asks: ["ignored"] },
};

const INPUTS: Record<string, string> = { job: "the configuration", api: "the request" };

/** By what a kind of failure is caused: of what users gave, by what it was given to. */
export const causeText = (causer: string, source?: string): string =>
  causer === "user" ? (INPUTS[source ?? ""] ?? "the input") : (causerWord(causer) ?? "unknown");

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const SEEN: Record<string, { label: string; ms: number }> = {
  "1h": { label: "Seen in the last hour", ms: HOUR_MS },
  "24h": { label: "Seen in the last 24 hours", ms: DAY_MS },
  "7d": { label: "Seen in the last 7 days", ms: 7 * DAY_MS },
  "30d": { label: "Seen in the last 30 days", ms: 30 * DAY_MS },
};

const TRACEPARENT = /\b[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b/i;
const TRACE = /(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])/i;
const UUID = /(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])/i;
const FINGERPRINT = /(?<![\w:])[a-z]+\d*:[0-9a-f]{8,}(?![0-9a-z])/;

/** The trace id or fingerprint in what somebody pasted: bare, in a header, in a line of a log; null where there is none. */
export function pastedId(words: string): string | null {
  const trace = TRACEPARENT.exec(words)?.[1] ?? TRACE.exec(words)?.[0] ?? UUID.exec(words)?.[0];
  if (trace) return trace.replaceAll("-", "").toLowerCase();
  return FINGERPRINT.exec(words)?.[0] ?? null;
}

/** What the search of the page asks the platform for, at the time `now`. */
export function asked(search: FailureSearch, now: number): GroupQuery {
  const { seen, from, until, state, q, job, ...same } = search;
  const span = seen && SEEN[seen];
  return {
    ...same,
    q: q && (pastedId(q) ?? q),
    job_id: job,
    state: state ? STATES[state]?.asks : undefined,
    since: span ? new Date(now - span.ms).toISOString() : from,
    until,
  };
}

/** Whether a search leaves anything out. */
export const narrowed = ({ sort, ...search }: FailureSearch): boolean => Object.values(search).some(Boolean);

const DIRECTIONS: Record<Trend["direction"], string> = {
  rising: "rising",
  falling: "falling",
  steady: "steady",
  new: "new",
  gone: "not seen this week",
};

export const directionWord = (trend: Trend): string => DIRECTIONS[trend.direction];

/** A trend for those who do not see its picture. */
export function trendText({ this_week, last_week, ...trend }: Trend): string {
  const word = DIRECTIONS[trend.direction];
  return `Last 14 days: ${this_week} in the last 7, ${last_week} in the 7 before, ${word}`;
}

export const many = (count: number, one: string, more = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : more}`;

/** Whom and what a group hit; null where that is not the reader's to know. */
export function hitText(group: Pick<GroupView, "jobs" | "users" | "source">): string | null {
  if (group.jobs === null || group.users === null) return null;
  const users = many(group.users, "user");
  return group.source === "job" || group.jobs > 0 ? `${many(group.jobs, "job")}, ${users}` : users;
}

export interface Bar {
  at: string;
  count: number;
}

/** Every hour or day up to now, those without a failure too, oldest first; times in UTC. */
export function bars(found: Bucket[], span: "hour" | "day", length: number, now: number): Bar[] {
  const step = span === "hour" ? HOUR_MS : DAY_MS;
  const last = Math.floor(now / step) * step;
  const counts = new Map(found.map(({ at, count }) => [Date.parse(at), count]));
  return Array.from({ length }, (_, index) => {
    const at = last - (length - 1 - index) * step;
    return { at: new Date(at).toISOString(), count: counts.get(at) ?? 0 };
  });
}

/** A change against the week before, as people say it; null where there was nothing before. */
export function changeText(now: number, before: number): string | null {
  if (!before) return null;
  const share = Math.round(((now - before) / before) * 100);
  if (!share) return "as many as the week before";
  return `${Math.abs(share).toLocaleString("en")} % ${share > 0 ? "more" : "fewer"} than the week before`;
}
