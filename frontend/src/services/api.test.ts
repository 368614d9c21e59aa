import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { halveBatch, publicError } from "../test-data";
import { ApiError, api } from "./api";

const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("it was not refused"),
    (error: ApiError) => error,
  );

describe("the API client", () => {
  it("keeps all that the backend says of a refusal", async () => {
    const error = publicError({
      fixes: [halveBatch],
      errors: [{ pointer: "#/epochs", code: "greater_than_equal", message: "must be at least 1" }],
      retry_after: 7,
      retryable: true,
    });
    server.use(http.get("/api/v1/training-jobs/J-1", () => HttpResponse.json({ error }, { status: 503 })));
    const caught = await refusal(api.job("J-1"));
    expect(caught).toBeInstanceOf(ApiError);
    expect(caught).toMatchObject({
      message: error.message,
      type: "system_error",
      severity: "high",
      suggestedAction: error.suggested_action,
      traceId: error.trace_id,
      code: "CUDA_OOM",
      retryable: true,
      retryAfter: 7,
      fixes: [halveBatch],
      fields: error.errors,
      status: 503,
    });
  });

  it("takes an answer that is not the platform's for no answer, and keeps its status", async () => {
    server.use(
      http.get("/api/v1/datasets", () => new HttpResponse("<html>Bad gateway</html>", { status: 502 })),
    );
    expect(await refusal(api.datasets())).toMatchObject({
      code: "NETWORK_ERROR",
      status: 502,
      retryable: true,
    });
  });

  it("says that the platform does not answer where nothing comes back", async () => {
    server.use(http.get("/api/v1/datasets", () => HttpResponse.error()));
    expect(await refusal(api.datasets())).toMatchObject({
      code: "NETWORK_ERROR",
      status: 0,
      retryable: true,
    });
  });

  it("takes an answer that was cut off for no answer, and for no crash of the page", async () => {
    server.use(http.get("/api/v1/datasets", () => new HttpResponse('{"items": [{"name"')));
    expect(await refusal(api.datasets())).toMatchObject({ code: "NETWORK_ERROR", retryable: true });
  });

  it("sends a training with its key, and asks for an answer at once", async () => {
    let seen = new Headers();
    server.use(
      http.post("/api/v1/training-jobs", ({ request }) => {
        seen = request.headers;
        return HttpResponse.json({ job_id: "J-9" }, { status: 202 });
      }),
    );
    expect(await api.submit({ model: "m", dataset_id: "d" }, "key-1")).toEqual({ job_id: "J-9" });
    expect(seen.get("idempotency-key")).toBe("key-1");
    expect(seen.get("prefer")).toBe("respond-async");
  });

  it("asks for jobs with every state that was chosen, and leaves out what was not", async () => {
    let asked = "";
    server.use(
      http.get("/api/v1/training-jobs", ({ request }) => {
        asked = new URL(request.url).search;
        return HttpResponse.json({ items: [], next_cursor: null, total: 0 });
      }),
    );
    await api.jobs({ status: ["failed", "waiting"], q: "a b&c", code: undefined });
    expect(asked).toBe("?status=failed&status=waiting&q=a+b%26c");
  });
});
