import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { makeQueryClient } from "../queryClient";
import { halveBatch, job } from "../test-data";
import { useJobActions } from "./useJobActions";

const navigate = vi.fn();
vi.mock("@tanstack/react-router", () => ({ useNavigate: () => navigate }));

const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

describe("trying a failed job again", () => {
  it("sends the same fix under the same key after a lost answer, and under another once it was answered", async () => {
    const sent: { key: string | null; body: unknown }[] = [];
    let lost = true;
    server.use(
      http.post("/api/v1/training-jobs/J-1/retry", async ({ request }) => {
        sent.push({ key: request.headers.get("idempotency-key"), body: await request.json() });
        return lost ? HttpResponse.error() : HttpResponse.json({ job_id: "J-2" });
      }),
    );
    const onError = vi.fn();
    const client = makeQueryClient();
    const { result } = renderHook(() => useJobActions(job({ status: "failed" }), onError, vi.fn()), {
      wrapper: ({ children }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>,
    });
    act(() => result.current.applyFix(halveBatch));
    await waitFor(() => expect(onError).toHaveBeenCalledTimes(1));
    lost = false;
    act(() => result.current.applyFix(halveBatch));
    await waitFor(() => expect(navigate).toHaveBeenCalledTimes(1));
    act(() => result.current.applyFix(halveBatch));
    await waitFor(() => expect(navigate).toHaveBeenCalledTimes(2));
    act(() => result.current.retry.mutate(null));
    await waitFor(() => expect(navigate).toHaveBeenCalledTimes(3));

    const keys = sent.map((item) => item.key);
    expect(keys[0]).toBeTruthy();
    expect(keys[1]).toBe(keys[0]);
    expect(new Set(keys).size).toBe(3);
    expect(sent.map((item) => item.body)).toEqual([
      { fix_id: "halve-batch" },
      { fix_id: "halve-batch" },
      { fix_id: "halve-batch" },
      {},
    ]);
  });
});
