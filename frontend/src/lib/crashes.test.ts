import { beforeEach, describe, expect, it, vi } from "vitest";

const sent: [string, string, unknown][] = [];
vi.mock("../services/api", async (original) => ({
  ...(await original<typeof import("../services/api")>()),
  request: (method: string, path: string, body: unknown) => {
    sent.push([method, path, body]);
    return Promise.resolve();
  },
}));
vi.stubGlobal("location", { pathname: "/jobs/J-1" });

const { noteFailure } = await import("./crashes");
const { ApiError } = await import("../services/api");
const refusal = (await import("../test-data")).publicError();

beforeEach(() => {
  sent.length = 0;
});

describe("failures of the page", () => {
  it("are told to the platform once, without secrets", () => {
    const failure = new TypeError(["pass", "word=hunter2"].join(""));
    noteFailure(failure, { componentStack: "\n    at JobPage (x.js)\n    at App" });
    noteFailure(failure);
    expect(sent).toHaveLength(1);
    const [method, path, report] = sent[0] ?? [];
    expect([method, path]).toEqual(["POST", "/errors/reports"]);
    expect(report).toMatchObject({ name: "TypeError", component: "at JobPage (x.js)", path: "/jobs/J-1" });
    expect(JSON.stringify(report)).not.toContain("hunter2");
  });

  it("that are no errors are told as such", () => {
    noteFailure("just text");
    expect(sent[0]?.[2]).toMatchObject({ name: "Error", message: "just text" });
  });

  it("are not what the platform refuses: it has told those itself", () => {
    noteFailure(new ApiError({ error: refusal }, 422));
    expect(sent).toEqual([]);
  });

  it("carry the trace id of the last refusal, by which they are joined", () => {
    noteFailure(new ApiError({ error: refusal }, 500));
    noteFailure(new RangeError("after it"));
    expect(sent[0]?.[2]).toMatchObject({ trace_id: refusal.trace_id });
  });
});
