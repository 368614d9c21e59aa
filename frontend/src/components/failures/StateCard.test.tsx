import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { toast } from "sonner";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { GroupDetail } from "../../generated/api";
import { makeQueryClient } from "../../queryClient";
import { errorGroups } from "../../services/errorGroups";
import { group, publicError } from "../../test-data";
import { StateCard } from "./StateCard";

const server = setupServer();
let stands = group();
let asked: unknown[] = [];
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

function Page() {
  const found = useQuery({ queryKey: ["failures", "one", "7"], queryFn: () => errorGroups.one("7") });
  return found.data ? <StateCard group={found.data} /> : null;
}

/** The card of a group as the platform tells it; `answer` is what a change of its state gets. */
async function card(some: Partial<GroupDetail>, role: string, answer?: () => Promise<Response> | Response) {
  stands = group(some);
  asked = [];
  server.use(
    http.get("/api/v1/session", () => HttpResponse.json({ authenticated: true, role })),
    http.get("/api/v1/errors/groups/7", () => HttpResponse.json(stands)),
    http.post("/api/v1/errors/groups/7/state", async ({ request }) => {
      const change = (await request.json()) as Partial<GroupDetail>;
      asked.push(change);
      const now = new Date().toISOString();
      const past = { at: now, state: "open" as const, note: null, ...change, by: "olga" };
      stands = { ...stands, ...change, history: [past, ...stands.history] };
      return answer ? answer() : HttpResponse.json(stands);
    }),
  );
  render(
    <QueryClientProvider client={makeQueryClient()}>
      <Page />
    </QueryClientProvider>,
  );
  await screen.findByText("State");
}

const button = (name: string) => screen.findByRole("button", { name });

describe("the state of a group", () => {
  it("is changed with a note, is shown at once and then as the platform tells it", async () => {
    let answer: (response: Response) => void = () => undefined;
    await card({}, "operator", () => new Promise<Response>((resolve) => (answer = resolve)));
    fireEvent.change(await screen.findByLabelText(/Note for whoever/), { target: { value: " oiled " } });
    fireEvent.click(await button("Resolve"));
    expect(await screen.findByText("It is called regressed by itself if it comes back.")).toBeInTheDocument();
    await waitFor(() => expect(asked).toEqual([{ state: "resolved", note: "oiled" }]));
    answer(HttpResponse.json(stands));
    expect(await screen.findByText(/Resolved by olga/)).toHaveTextContent("Resolved by olga: “oiled”");
    expect(screen.getByLabelText(/Note for whoever/)).toHaveValue("");
  });

  it("is what it was where the platform refuses, which stands at the buttons and in a toast", async () => {
    const told = vi.spyOn(toast, "error");
    const refusal = publicError({
      code: "DATABASE_ERROR",
      message: "It could not be saved.",
      retryable: true,
    });
    await card({}, "operator", () => HttpResponse.json({ error: refusal }, { status: 503 }));
    fireEvent.change(await screen.findByLabelText(/Note for whoever/), { target: { value: "kept" } });
    fireEvent.click(await button("Ignore"));
    expect(await screen.findByRole("alert")).toHaveTextContent("It could not be saved.");
    expect(screen.getByText("Open")).toBeInTheDocument();
    expect(screen.getByLabelText(/Note for whoever/)).toHaveValue("kept");
    expect(told).toHaveBeenCalledOnce();
    fireEvent.click(await button("Try again"));
    await waitFor(() => expect(asked).toHaveLength(2));
  });

  it.each([
    ["open", ["Resolve", "Ignore"]],
    ["regressed", ["Resolve", "Ignore"]],
    ["resolved", ["Reopen"]],
    ["ignored", ["Reopen"]],
  ] as const)("of a group that is %s offers what leads on", async (state, offered) => {
    await card({ state }, "operator");
    await button(offered[0]);
    expect(screen.getAllByRole("button").map((found) => found.textContent)).toEqual(offered);
  });

  it("is not a user's to change", async () => {
    await card({}, "user");
    expect(await screen.findByText("Operators can resolve or ignore it.")).toBeInTheDocument();
    expect(screen.queryByRole("button")).not.toBeInTheDocument();
  });

  it("has a history with who resolved what came back, and older rules' names for it", async () => {
    await card(
      {
        state: "regressed",
        history: [
          { at: "2026-11-22T12:00:00.000Z", state: "regressed", by: null, note: null },
          { at: "2026-11-21T18:00:00.000Z", state: "resolved", by: "olga", note: "new image" },
        ],
        fingerprints: [
          { fingerprint: "v1:7223b09cb012bb06", since: "2026-11-20T12:00:00.000Z" },
          { fingerprint: "v2:aaaaaaaaaaaaaaaa", since: "2026-11-21T12:00:00.000Z" },
        ],
      },
      "user",
    );
    expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
      expect.stringContaining("Last seen"),
      expect.stringContaining("Came back"),
      expect.stringContaining("Resolved by olga: “new image”"),
      expect.stringContaining("Known as v2 too"),
      expect.stringContaining("First seen"),
    ]);
  });
});
