import { describe, expect, it } from "vitest";
import { presentation, type Situation, situationOf } from "./presentation";

const situations: Situation[] = [
  "field",
  "form",
  "page-load",
  "card-load",
  "background-refetch",
  "own-action",
  "job-failed-here",
  "job-failed-elsewhere",
  "being-retried",
  "render-crash",
  "session-expired",
];

describe("where a failure is shown", () => {
  it("never in a toast alone where there is something to do about it on this page", () => {
    const alone = situations.filter((situation) => presentation(situation).place === "toast");
    expect(alone).toEqual(["job-failed-elsewhere"]);
  });

  it("stays until it is dealt with: only the toast beside an inline message goes by itself", () => {
    const passing = situations.filter((situation) => presentation(situation).stays === "10s");
    expect(passing.map((situation) => presentation(situation).place)).toEqual(["toast+inline"]);
  });

  it("keeps old data on the screen when it could not be renewed", () => {
    expect(presentation("background-refetch")).toMatchObject({
      place: "banner",
      announce: "status",
      action: "auto",
    });
  });

  it.each([
    ["INVALID_TOKEN", 0, "load", "session-expired"],
    ["INVALID_TOKEN", 0, "form", "session-expired"],
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
