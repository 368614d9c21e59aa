import { describe, expect, it } from "vitest";
import { keyFor, NO_KEY } from "./requestKey";

describe("the key of a request", () => {
  it("stays while the request is the same, and is another for another one", () => {
    const first = keyFor(NO_KEY, { fix_id: "halve-batch" });
    expect(first.key).toMatch(/^[0-9a-f]{32}$/);
    expect(keyFor(first, { fix_id: "halve-batch" })).toBe(first);
    expect(keyFor(first, {}).key).not.toBe(first.key);
    expect(keyFor(NO_KEY, { fix_id: "halve-batch" }).key).not.toBe(first.key);
  });
});
