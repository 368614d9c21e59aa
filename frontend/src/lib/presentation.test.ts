import { describe, expect, it } from "vitest";
import {
  type Action,
  type Place,
  presentation,
  type Situation,
  situationOf,
  toastStays,
} from "./presentation";

// The table of the design, row by row: place, where else, how long, how announced, what to do.
const rows: [Situation, Place, Place[], string, string, Action[]][] = [
  ["field", "field", ["summary"], "until-fixed", "alert", ["focus-field", "fix"]],
  ["form", "inline", [], "until-resubmit", "alert", ["fix"]],
  ["page-load", "page", [], "until-retry", "focus", ["retry", "back", "request-access"]],
  ["card-load", "card", [], "until-retry", "status", ["retry"]],
  ["background-refetch", "banner", [], "until-success", "status", ["auto", "retry"]],
  ["own-action", "inline", ["toast"], "until-retry", "alert", ["retry", "fix"]],
  ["job-failed-here", "header", ["timeline"], "permanent", "alert", ["fix", "retry", "resume"]],
  ["job-failed-elsewhere", "list", ["toast"], "permanent", "alert", ["open"]],
  ["being-retried", "timeline", [], "until-success", "status", ["run-now"]],
  ["render-crash", "boundary", ["page"], "until-reload", "focus", ["reload", "copy-report"]],
  ["session-expired", "dialog", [], "until-login", "alert", ["login"]],
];
const situations = rows.map(([situation]) => situation);

describe("where a failure is shown", () => {
  it.each(rows)("%s: in the %s", (situation, place, also, stays, announce, actions) => {
    expect(presentation(situation)).toEqual({ place, also, stays, announce, actions });
  });

  it("is never a toast alone", () => {
    expect(situations.map((situation) => presentation(situation).place)).not.toContain("toast");
  });

  it("is a toast that goes by itself only beside a message that stays", () => {
    const toasts = situations.filter((situation) => presentation(situation).also.includes("toast"));
    expect(toasts.map((situation) => [situation, toastStays(situation)])).toEqual([
      ["own-action", 10_000],
      ["job-failed-elsewhere", Number.POSITIVE_INFINITY],
    ]);
    expect(() => toastStays("card-load")).toThrow("has no toast");
  });

  it("always has something that can be done about it", () => {
    for (const situation of situations) expect(presentation(situation).actions).not.toHaveLength(0);
  });

  it.each([
    ["INVALID_TOKEN", 0, "load", "session-expired"],
    ["INVALID_TOKEN", 0, "form", "session-expired"],
    ["INVALID_TOKEN", 0, "refetch", "session-expired"],
    ["VALIDATION_FAILED", 2, "form", "field"],
    ["QUOTA_EXCEEDED", 0, "form", "form"],
    ["NOT_FOUND", 0, "load", "page-load"],
    ["SYSTEM_ERROR", 0, "card", "card-load"],
    ["NETWORK_ERROR", 0, "refetch", "background-refetch"],
    ["CONFLICT", 0, "action", "own-action"],
  ] as const)("%s with %i wrong fields from a %s is %s", (code, fields, from, wanted) => {
    expect(situationOf({ code, fields: Array(fields).fill({}) }, from)).toBe(wanted);
  });
});
