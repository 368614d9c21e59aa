import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Framework, Job } from "../generated/api";
import { BLANK } from "../lib/form";
import { makeQueryClient } from "../queryClient";
import { halveBatch, job, publicError } from "../test-data";
import { forgetDraft, keptDraft, useTrainingForm } from "./useTrainingForm";

const framework: Framework = {
  framework: "sklearn",
  version: "1",
  agents: 1,
  available: true,
  accepts_weights: true,
  tasks: ["classify"],
  models: [{ name: "mlp-small", task: "classify", family: "mlp", params: null }],
  defaults: { classify: { epochs: 10, batch_size: 32, image_size: 16 } },
  settings_schema: { properties: { alpha: { type: "number" } } },
};
const start = { ...BLANK, framework: "sklearn", dataset_id: "digits" };

const server = setupServer();
const good = http.post("/api/v1/training-jobs/validate", () =>
  HttpResponse.json({ valid: true, errors: [], warnings: [], config: null }),
);
const refusal = (some: object, status: number) => HttpResponse.json({ error: publicError(some) }, { status });

beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => {
  server.resetHandlers();
  forgetDraft();
});
afterAll(() => server.close());

function form(from: Job | null = null) {
  const client = makeQueryClient();
  return renderHook(() => useTrainingForm([framework], { values: start, touched: [], from }), {
    wrapper: ({ children }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>,
  }).result;
}

describe("the form of a new training", () => {
  it("takes the values of the model, and keeps what is typed for the next visit", () => {
    const result = form();
    act(() => result.current.set("epochs", "3"));
    act(() => result.current.set("model", "mlp-small"));
    expect(result.current.values).toMatchObject({ epochs: "3", batch_size: "32", image_size: "16" });
    expect(keptDraft()?.values).toMatchObject({ model: "mlp-small", epochs: "3" });
  });

  it("sends the same training under the same key after a lost answer, and a changed one under another", async () => {
    const keys: string[] = [];
    let lost = true;
    server.use(
      good,
      http.post("/api/v1/training-jobs", ({ request }) => {
        keys.push(request.headers.get("idempotency-key") ?? "");
        return lost ? HttpResponse.error() : HttpResponse.json({ job_id: "J-9" }, { status: 202 });
      }),
    );
    const result = form();
    act(() => result.current.set("model", "mlp-small"));
    const send = () => act(async () => void (await result.current.submit.mutateAsync().catch(() => null)));
    await send();
    lost = false;
    await send();
    act(() => result.current.set("epochs", "7"));
    await send();
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  it("sends nothing while the check finds something wrong, and says it at the field", async () => {
    const errors = [
      { pointer: "#/settings/alfa", code: "unknown_setting", message: "did you mean `alpha`?" },
    ];
    server.use(
      http.post("/api/v1/training-jobs/validate", () =>
        HttpResponse.json({
          valid: false,
          errors: [publicError({ code: "INVALID_CONFIG", errors, fixes: [halveBatch] })],
          warnings: [],
          config: null,
        }),
      ),
    );
    const result = form();
    act(() => result.current.set("model", "mlp-small"));
    await waitFor(() =>
      expect(result.current.fields).toEqual({ "settings/alfa": ["did you mean `alpha`?"] }),
    );
    await act(async () => void (await result.current.submit.mutateAsync()));
    await waitFor(() => expect(result.current.submit.data).toBeNull());
    act(() => result.current.applyFix(halveBatch));
    expect(result.current.values).toMatchObject({
      batch_size: "16",
      model: "mlp-small",
      dataset_id: "digits",
    });
  });

  it("keeps all that was typed when it is refused", async () => {
    server.use(
      good,
      http.post("/api/v1/training-jobs", () => refusal({ code: "QUOTA_EXCEEDED" }, 429)),
    );
    const result = form();
    act(() => result.current.set("model", "mlp-small"));
    act(() => result.current.set("name", "mine"));
    await act(async () => void (await result.current.submit.mutateAsync().catch(() => null)));
    await waitFor(() => expect(result.current.submit.error).toMatchObject({ code: "QUOTA_EXCEEDED" }));
    expect(result.current.values.name).toBe("mine");
    expect(keptDraft()?.values.name).toBe("mine");
  });

  it("sends a failed job's successor as a patch on it, and leaves the draft alone", async () => {
    let body: unknown;
    server.use(
      good,
      http.post("/api/v1/training-jobs/J-1/retry", async ({ request }) => {
        body = await request.json();
        return HttpResponse.json({ job_id: "J-2" });
      }),
    );
    const failed = job({ status: "failed" });
    const result = form(failed);
    act(() => result.current.set("model", "mlp-small"));
    act(() => result.current.set("batch_size", "8"));
    await act(async () => void (await result.current.submit.mutateAsync()));
    expect(body).toMatchObject({
      patch: expect.arrayContaining([{ op: "add", path: "/batch_size", value: 8 }]),
    });
    expect(keptDraft()).toBeNull();
  });
});
