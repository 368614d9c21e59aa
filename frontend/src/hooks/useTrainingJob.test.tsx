import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import { HttpResponse, http, ws } from "msw";
import { setupServer } from "msw/node";
import type { ReactNode } from "react";
import { toast } from "sonner";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { makeQueryClient } from "../queryClient";
import { ApiError } from "../services/api";
import { delay } from "../services/live";
import { job, publicError } from "../test-data";
import { newerJob, useTrainingJob } from "./useTrainingJob";

const live = ws.link("ws://localhost:3000/ws/training-jobs/J-1");
const server = setupServer();
const nothing = (name: string) =>
  http.get(`/api/v1/training-jobs/J-1/${name}`, () => HttpResponse.json({ items: [], next: null }));
let asked: string[] = [];
let send: (event: object) => void = () => undefined;
let drop: () => void = () => undefined;

beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
beforeEach(() => {
  asked = [];
  server.use(
    http.get("/api/v1/training-jobs/J-1", () => HttpResponse.json(job())),
    ...["attempts", "metrics", "artifacts", "logs"].map(nothing),
    live.addEventListener("connection", ({ client }) => {
      asked.push(client.url.searchParams.get("since") ?? "");
      send = (event) => client.send(JSON.stringify(event));
      drop = () => client.close(4000);
    }),
  );
});
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

function wrapper({ children }: { children: ReactNode }) {
  return <QueryClientProvider client={makeQueryClient()}>{children}</QueryClientProvider>;
}

async function watched() {
  const client = makeQueryClient();
  const made = renderHook(() => useTrainingJob("J-1"), {
    wrapper: ({ children }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>,
  });
  await waitFor(() => expect(made.result.current.connection.status).toBe("live"));
  return made;
}

const progress = (seq: number, epoch: number) => ({
  type: "progress",
  seq,
  at: "2026-11-23T12:00:10.000Z",
  attempt: 1,
  epoch,
  epochs: 10,
  epoch_end: true,
  losses: { "train/loss": 0.5 },
  metrics: {},
});

describe("useTrainingJob", () => {
  it("shows what events tell, without asking again", async () => {
    const { result } = await watched();
    act(() => send(progress(6, 1)));
    await waitFor(() => expect(result.current.metrics.data).toHaveLength(1));
    expect(result.current.job.data).toMatchObject({ last_seq: 6, progress: { epoch: 1 } });
  });

  it("comes back after a break with the last event it has, and keeps what it shows meanwhile", async () => {
    const { result } = await watched();
    act(() => send(progress(6, 1)));
    await waitFor(() => expect(result.current.job.data?.last_seq).toBe(6));
    act(() => drop());
    await waitFor(() => expect(result.current.connection.status).toBe("paused"));
    expect(result.current.connection.retryAt).toBeGreaterThan(Date.now());
    expect(result.current.job.data?.progress?.epoch).toBe(1);
    act(() => result.current.retryNow());
    await waitFor(() => expect(asked).toEqual(["5", "6"]));
    await waitFor(() => expect(result.current.connection.status).toBe("live"));
  });

  it("puts log lines that come live behind those that were there", async () => {
    server.use(
      http.get("/api/v1/training-jobs/J-1/logs", () =>
        HttpResponse.json({
          items: [{ seq: 2, attempt: 1, offset: 0, text: "one\n", dropped_bytes: 0 }],
          next: null,
        }),
      ),
    );
    const { result } = await watched();
    await waitFor(() => expect(result.current.log.ready).toBe(true));
    act(() => send({ type: "log", seq: 6, at: "", attempt: 1, offset: 4, text: "two\n", dropped_bytes: 0 }));
    await waitFor(() => expect(result.current.log.lines(1).map((line) => line.text)).toEqual(["one", "two"]));
  });

  it("tells a known system error in its own words, the same trace only once", async () => {
    const shown = vi.spyOn(toast, "error").mockReturnValue("id");
    const { result } = renderHook(() => useTrainingJob("J-1"), { wrapper });
    const error = new ApiError({ error: publicError() });
    act(() => result.current.handleError(error));
    expect(shown).toHaveBeenCalledWith(
      error.message,
      expect.objectContaining({ id: error.traceId, description: error.suggestedAction }),
    );
    expect(result.current.error).toBe(error);
    act(() => result.current.clearError());
    expect(result.current.error).toBeNull();
  });

  it("warns of a user's error, and leaves an ended session to the dialog", () => {
    const warned = vi.spyOn(toast, "warning").mockReturnValue("id");
    const shown = vi.spyOn(toast, "error").mockReturnValue("id");
    const { result } = renderHook(() => useTrainingJob("J-1"), { wrapper });
    act(() =>
      result.current.handleError(
        new ApiError({ error: publicError({ type: "user_error", code: "CONFLICT" }) }),
      ),
    );
    act(() =>
      result.current.handleError(new ApiError({ error: publicError({ code: "INVALID_TOKEN" }) }, 401)),
    );
    expect([warned.mock.calls.length, shown.mock.calls.length]).toEqual([1, 0]);
  });
});

describe("what is fetched while events come", () => {
  it("does not turn a job back", () => {
    const newer = job({ last_seq: 9 });
    expect(newerJob(newer, job({ last_seq: 5 }))).toBe(newer);
    expect(newerJob(newer, job({ last_seq: 10 }))).toMatchObject({ last_seq: 10 });
    expect(newerJob(newer, job({ job_id: "J-2", last_seq: 1 }))).toMatchObject({ job_id: "J-2" });
  });

  it("is waited for longer and longer, up to a bound", () => {
    const waits = Array.from({ length: 12 }, (_, count) => delay(count, 1000));
    expect(waits[0]).toBe(0);
    expect(waits.every((wait, index) => index === 0 || wait >= (waits[index - 1] ?? 0))).toBe(true);
    expect(waits.at(-1)).toBe(15_000);
  });
});
