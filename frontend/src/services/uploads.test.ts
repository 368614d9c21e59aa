import { Blob as NodeBlob } from "node:buffer";
import { createHash } from "node:crypto";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Upload } from "../generated/api";
import { publicError } from "../test-data";
import { pauseAfter, restOf, type Standing, sendRest, uploads } from "./uploads";

const content = "0123456789";
const fresh: Upload = {
  upload_id: "u1",
  name: "digits",
  bytes: content.length,
  modified: 5,
  created_at: "2026-11-23T12:00:00.000Z",
  offset: 0,
  piece_bytes: 4,
  dataset_id: null,
};
const file = new File([content], "digits.zip", { lastModified: 5 });
// jsdom's own would be sent as "[object Blob]" by the intercepted request.
const body = new NodeBlob([content]) as Blob;

let stored = "";
const view = () => ({
  ...fresh,
  offset: stored.length,
  dataset_id: stored === content ? "digits" : null,
});
const refusal = (some: object, status: number) => HttpResponse.json({ error: publicError(some) }, { status });
const away = { code: "SERVICE_UNAVAILABLE", retryable: true };
const keep = http.patch("/api/v1/uploads/u1", async ({ request }) => {
  const offset = Number(new URL(request.url).searchParams.get("offset"));
  if (offset !== stored.length) return refusal({ code: "CONFLICT" }, 409);
  const piece = await request.text();
  expect(request.headers.get("x-content-sha256")).toBe(createHash("sha256").update(piece).digest("hex"));
  stored += piece;
  return HttpResponse.json(view());
});
const look = http.get("/api/v1/uploads/u1", () => HttpResponse.json(view()));

const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
beforeEach(() => {
  stored = "";
  server.use(keep, look);
});
afterEach(() => {
  server.resetHandlers();
  vi.useRealTimers();
});
afterAll(() => server.close());

const told: Standing[] = [];
const sendAll = (from: Upload = fresh, signal = new AbortController().signal) => {
  told.length = 0;
  return sendRest(from, body, (standing) => told.push(standing), signal);
};
const hurry = () =>
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500, toFake: ["setTimeout"] });

describe("an upload in pieces", () => {
  it("sends one after the other, each with its checksum, until the data set is there", async () => {
    expect(await sendAll()).toBe("digits");
    expect(stored).toBe(content);
    expect(told.at(-1)).toEqual({ sent: 10, waiting: null });
  });

  it("goes on where an earlier page stopped", async () => {
    stored = content.slice(0, 8);
    expect(await sendAll({ ...fresh, offset: 8 })).toBe("digits");
    expect(stored).toBe(content);
  });

  it("waits while the platform is away, says so, and goes on", async () => {
    hurry();
    server.use(
      http.patch("/api/v1/uploads/u1", () => HttpResponse.error(), { once: true }),
      http.patch("/api/v1/uploads/u1", () => refusal(away, 503), { once: true }),
    );
    expect(await sendAll()).toBe("digits");
    expect(
      told.filter((standing) => standing.waiting).map((standing) => standing.waiting?.error.code),
    ).toEqual(["NETWORK_ERROR", "SERVICE_UNAVAILABLE"]);
  });

  it("does not send twice what had arrived when its answer was lost", async () => {
    hurry();
    const loses = http.patch(
      "/api/v1/uploads/u1",
      async ({ request }) => {
        stored += await request.text();
        return HttpResponse.error();
      },
      { once: true },
    );
    server.use(loses);
    expect(await sendAll()).toBe("digits");
    expect(stored).toBe(content);
  });

  it("ends with the platform's words where going on cannot help", async () => {
    server.use(http.patch("/api/v1/uploads/u1", () => refusal({ code: "NOT_FOUND" }, 404)));
    await expect(sendAll()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("sends nothing when it was stopped before", async () => {
    const stopped = AbortSignal.abort(new Error("paused"));
    await expect(sendAll(fresh, stopped)).rejects.toThrow("paused");
    expect(stored).toBe("");
  });

  it("stops when it is told to", async () => {
    const control = new AbortController();
    server.use(http.patch("/api/v1/uploads/u1", () => refusal(away, 503)));
    const sending = sendAll(fresh, control.signal);
    await vi.waitFor(() => expect(told.at(-1)?.waiting).toBeTruthy());
    control.abort(new Error("paused"));
    await expect(sending).rejects.toThrow("paused");
  });
});

it("knows the rest of a file by name, size and time", () => {
  const known = [{ ...fresh, upload_id: "other", modified: 6 }, fresh];
  expect(restOf(file, "digits", known)?.upload_id).toBe("u1");
  expect(restOf(file, "letters", known)).toBeUndefined();
});

it("waits longer and longer, and not less than the platform asks for", () => {
  const error = (retryAfter: number | null) => ({ retryAfter }) as Parameters<typeof pauseAfter>[0];
  expect([1, 2, 3, 9].map((failures) => pauseAfter(error(null), failures))).toEqual([
    1000, 2000, 4000, 15_000,
  ]);
  expect(pauseAfter(error(30), 1)).toBe(30_000);
});

it("begins with the name and what tells the file from its namesakes", async () => {
  let asked: unknown;
  server.use(
    http.post("/api/v1/uploads", async ({ request }) => {
      asked = await request.json();
      return HttpResponse.json(fresh, { status: 201 });
    }),
  );
  await uploads.begin("digits", file);
  expect(asked).toEqual({ name: "digits", bytes: 10, modified: 5 });
});
