import { expect, it } from "vitest";
import { usage } from "../test-data";
import { byCause, byEnd, percent } from "./usage";

it("gives each end its share of the compute time, in an order that stays", () => {
  expect(byEnd(usage()).map((part) => [part.label, part.share])).toEqual([
    ["Succeeded", 0.75],
    ["Failed", 0.25],
  ]);
});

it("names what failures came from in words", () => {
  expect(byCause(usage()).map((part) => part.label)).toEqual(["the jobs' own settings", "the platform"]);
});

it("has no shares where nothing was used", () => {
  const none = usage({ by_status: [{ status: "failed", attempts: 1, seconds: 0 }], by_causer: [] });
  expect(byEnd(none)[0]?.share).toBe(0);
});

it.each([
  [0, "0 %"],
  [0.004, "under 1 %"],
  [0.254, "25 %"],
])("writes the share %s as %s", (share, text) => {
  expect(percent(share)).toBe(text);
});
