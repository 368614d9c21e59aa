import { fireEvent, screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Digest, OccurrenceView } from "../../generated/api";
import { distinct } from "../../hooks/useErrorGroups";
import { group, publicError } from "../../test-data";
import { routed } from "../../test-routed";
import { Occurrences } from "./Occurrences";
import { Week } from "./Week";

const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

const occurrence = (some: Partial<OccurrenceView> = {}): OccurrenceView => ({
  occurrence_id: 1,
  at: "2026-11-23T12:00:00.000Z",
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
  user: "ann",
  job_id: "J-1",
  attempt: 2,
  entity: null,
  status: null,
  method: null,
  endpoint: null,
  error: publicError(),
  report: null,
  ...some,
});

const URL_OF = "/api/v1/errors/groups/7/occurrences";
const card = (count: number) => routed(() => <Occurrences group={group({ count })} />);

describe("occurrences", () => {
  it("lead to the attempt, the request or the page that they happened in, and come a page at a time", async () => {
    const report = {
      name: "TypeError",
      message: "x is undefined",
      stack: "at f (app.js:1)",
      component: null,
    };
    const pages: Record<string, OccurrenceView[]> = {
      first: [
        occurrence(),
        occurrence({ occurrence_id: 2, job_id: null, method: "GET", endpoint: "/a", status: 404 }),
      ],
      second: [occurrence({ occurrence_id: 3, job_id: null, endpoint: "/datasets", report })],
    };
    server.use(
      http.get(URL_OF, ({ request }) => {
        const later = new URL(request.url).searchParams.get("cursor") === "next";
        return HttpResponse.json({
          items: pages[later ? "second" : "first"],
          next_cursor: later ? null : "next",
        });
      }),
    );
    card(3);
    expect(await screen.findByRole("link", { name: "J-1, attempt 2" })).toHaveAttribute(
      "href",
      "/jobs/J-1?attempt=2",
    );
    expect(screen.getByText("GET /a → 404")).toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Show more" }));
    expect(await screen.findByText("at f (app.js:1)")).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByRole("button", { name: "Show more" })).not.toBeInTheDocument());
    expect(screen.queryByText(/counted and not kept/)).not.toBeInTheDocument();
  });

  it("of a storm are told to be more than are kept", async () => {
    server.use(http.get(URL_OF, () => HttpResponse.json({ items: [occurrence()], next_cursor: null })));
    card(5000);
    expect(await screen.findByText(/^4,999 more were counted and not kept/)).toBeInTheDocument();
  });

  it("that are too old say so", async () => {
    server.use(http.get(URL_OF, () => HttpResponse.json({ items: [], next_cursor: null })));
    card(4);
    expect(await screen.findByText("None is kept any more")).toBeInTheDocument();
  });
});

describe("a list of groups", () => {
  it("has a group once that moved up while its pages were read", () => {
    const page = (...ids: number[]) => ({
      items: ids.map((group_id) => group({ group_id })),
      next_cursor: null,
    });
    expect(distinct([page(3, 2), page(2, 1)]).map((found) => found.group_id)).toEqual([3, 2, 1]);
  });
});

describe("a week", () => {
  const digest = (some: Partial<Digest> = {}): Digest => ({
    since: "2026-11-17T00:00:00.000Z",
    until: "2026-11-24T00:00:00.000Z",
    total: 12,
    before: 10,
    by_causer: { user: 9, hardware: 3 },
    by_source: { job: 12 },
    by_code: { CUDA_OOM: 12 },
    new: [],
    regressed: [],
    resolved: 0,
    top: [],
    failed_jobs: 1,
    text: "# Failures",
    ...some,
  });

  it("is told beside the one before, by cause", async () => {
    server.use(http.get("/api/v1/errors/digest", () => HttpResponse.json(digest())));
    routed(Week);
    expect(await screen.findByText(/20 % more than the week before/)).toHaveTextContent(
      "12 failures, 20 % more than the week before; 1 training ended as failed. Cause: the input 9, the machine 3.",
    );
    expect(screen.getByText("No kind is new")).toBeInTheDocument();
  });

  it("in which nothing failed is not spoken of", async () => {
    server.use(http.get("/api/v1/errors/digest", () => HttpResponse.json(digest({ total: 0, before: 0 }))));
    const client = routed(Week);
    await waitFor(() => expect(client.getQueryData(["failures", "digest"])).toBeDefined());
    expect(screen.queryByText("Last 7 days")).not.toBeInTheDocument();
  });
});
