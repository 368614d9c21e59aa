import { describe, expect, it } from "vitest";
import { dependency } from "../test-data";
import { breakerOf, policyOf, sorted, wordOf } from "./dependency";

describe("the word beside an integration", () => {
  it.each([
    ["Reachable", {}],
    ["Not known", { reachable: null }],
    ["Not reachable", { reachable: false }],
    ["Not reachable", { reachable: false, state: "OPEN", degraded: "…" }],
    ["Out of service", { state: "OPEN", degraded: "…" }],
    ["Being tried", { state: "HALF_OPEN", degraded: "…" }],
    ["Switched off", { state: "ISOLATED", switched_off: true }],
    ["Not set up", { configured: null, reachable: null, state: null }],
    ["2 of 3 reachable", { asked: 3, away: 1, state: "OPEN" }],
    // A breaker that was left open for a machine that is gone is nobody's trouble.
    ["Reachable", { asked: 2, away: 0, state: "OPEN", degraded: null }],
  ] as const)("is %s", (word, some) => {
    expect(wordOf(dependency(some)).word).toBe(word);
  });
});

describe("its breaker", () => {
  it("says what it does, how near it is to opening, and when it is tried again", () => {
    expect(breakerOf(dependency({ failure_count: 2 }))).toBe("calls go through, 2 of 5 failures in a row");
    expect(breakerOf(dependency({ state: "OPEN", failure_count: 5, retry_after: 11.2 }))).toBe(
      "calls are refused at once, to let it recover, 5 of 5 failures in a row, tried again in 12 s",
    );
  });

  it("is not spoken of where there is none", () => {
    expect(breakerOf(dependency({ breaker_after: null, state: null }))).toBeNull();
    expect(policyOf(dependency({ attempts: null }))).toBeNull();
  });
});

it("says how calls are protected", () => {
  expect(policyOf(dependency())).toBe(
    "5 attempts, waits of 5 to 60 s; out of service for 120 s after 5 failures",
  );
  expect(policyOf(dependency({ breaker_after: null, give_up: "none" }))).toBe(
    "5 attempts, waits of 5 to 60 s; done without in the end",
  );
});

it("keeps what is not set up apart, except where it was switched off", () => {
  const off = dependency({ title: "LLM", configured: null, state: "ISOLATED" });
  const { used, unused } = sorted([
    dependency(),
    dependency({ title: "MLflow", configured: null, state: null }),
    off,
  ]);
  expect(used.map((item) => item.title)).toEqual(["Temporal", "LLM"]);
  expect(unused).toEqual(["MLflow"]);
});
