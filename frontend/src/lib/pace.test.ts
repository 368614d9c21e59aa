import { describe, expect, it } from "vitest";
import { nextLook, pace } from "./pace";

const refusal = (some: object) =>
  Object.assign(new Error("no"), { retryable: true, retryAfter: null, ...some });
const state = (error: unknown, away = 0) => ({ error, dataUpdatedAt: 1000, errorUpdatedAt: 1000 + away });

describe("when data are asked for again", () => {
  it("is the usual time while all is well", () => {
    expect(pace(2000, state(null))).toBe(2000);
    expect(nextLook(2000, state(null))).toBe(3000);
  });

  it("is later and later while the platform is away, with a limit", () => {
    const waits = [0, 10_000, 20_000, 3_600_000].map((away) => pace(2000, state(refusal({}), away)));
    expect(waits).toEqual([2000, 5000, 10_000, 15_000]);
  });

  it("is not before the platform asked for", () => {
    expect(pace(2000, state(refusal({ retryAfter: 40 })))).toBe(40_000);
    expect(nextLook(2000, state(refusal({ retryAfter: 40 }), 500))).toBe(41_500);
  });

  it.each([refusal({ retryable: false }), refusal({ retryable: false, retryAfter: 5 }), new Error("a bug")])(
    "is never where that cannot help",
    (error) => {
      expect(pace(2000, state(error))).toBe(false);
      expect(nextLook(2000, state(error))).toBeNull();
    },
  );
});
