import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../generated/api";
import { makeQueryClient } from "../../queryClient";
import { job, publicError } from "../../test-data";
import { InOtherWords } from "./InOtherWords";

const catalogue: Explanation = {
  job_id: "J-1",
  attempt: 1,
  code: "CUDA_OOM",
  confidence: 0.95,
  evidence: [],
  text: "Training failed due to insufficient GPU memory.",
  source: "catalogue",
  model: null,
  reason: "unasked",
  doc_url: "/errors/CUDA_OOM",
};
const words: Explanation = {
  ...catalogue,
  text: "The batch was too <b>large</b> for the card.",
  source: "llm",
  model: "model-1",
  reason: null,
};

const server = setupServer();
let asked: string[] = [];
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => {
  server.resetHandlers();
  asked = [];
});
afterAll(() => server.close());

/** The block of a failed job; `kept` is there already, `fresh` comes when the model is asked. */
function block(kept: Explanation | Response, fresh: Explanation | Response = catalogue) {
  const answer = (found: Explanation | Response) =>
    found instanceof Response ? found.clone() : HttpResponse.json(found);
  server.use(
    http.get("/api/v1/training-jobs/J-1/explanation", ({ request }) => {
      const ask = new URL(request.url).searchParams.get("ask") ?? "";
      asked.push(ask);
      return answer(ask === "false" ? kept : fresh);
    }),
  );
  const client = makeQueryClient();
  render(
    <QueryClientProvider client={client}>
      <InOtherWords job={job({ status: "failed" })} error={publicError()} />
    </QueryClientProvider>,
  );
  return client;
}

const refused = () => HttpResponse.json({ error: publicError({ code: "STORAGE_ERROR" }) }, { status: 503 });

describe("a failure in other words", () => {
  it("asks the model on a click only, and says which one wrote", async () => {
    block(catalogue, words);
    const ask = await screen.findByRole("button", { name: "Ask a language model to explain" });
    expect(asked).toEqual(["false"]);
    fireEvent.click(ask);
    // Plain text: what looks like markup stays text.
    expect(await screen.findByText("The batch was too <b>large</b> for the card.")).toBeInTheDocument();
    expect(screen.getByText(/Worded by model-1/)).toBeInTheDocument();
    expect(asked).toEqual(["false", "true"]);
  });

  it("shows words that are there already without a click", async () => {
    block(words);
    expect(await screen.findByText(words.text)).toBeInTheDocument();
    expect(screen.queryByRole("button")).not.toBeInTheDocument();
    expect(asked).toEqual(["false"]);
  });

  it.each([
    ["the model does not answer", () => ({ ...catalogue, reason: "unavailable" as const })],
    ["the platform refuses", refused],
    ["the platform is away", () => HttpResponse.error()],
  ])("lets the catalogue's words stand where %s, without an error box", async (_, fresh) => {
    block(catalogue, fresh());
    fireEvent.click(await screen.findByRole("button", { name: "Ask a language model to explain" }));
    expect(await screen.findByText(/these are the catalogue's words/)).toBeInTheDocument();
    expect(
      screen.getByText(/insufficient GPU memory\. Try reducing batch size \(currently 32\)/),
    ).toBeInTheDocument();
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Ask again" }));
    await waitFor(() => expect(asked).toEqual(["false", "true", "true"]));
  });

  it("says that the day's budget is used up, and offers no click that could not help", async () => {
    block(catalogue, { ...catalogue, reason: "budget" });
    fireEvent.click(await screen.findByRole("button", { name: "Ask a language model to explain" }));
    expect(await screen.findByText(/asked as often as it may be today/)).toBeInTheDocument();
    expect(screen.getByText(/insufficient GPU memory/)).toBeInTheDocument();
    expect(screen.queryByRole("button")).not.toBeInTheDocument();
  });

  it("says that words are being written", async () => {
    block(catalogue, { ...catalogue, reason: "pending" });
    fireEvent.click(await screen.findByRole("button", { name: "Ask a language model to explain" }));
    expect(await screen.findByRole("status")).toHaveTextContent("An explanation is being written.");
  });

  it("is left out where no model is set up", async () => {
    const client = block({ ...catalogue, reason: "off" });
    await waitFor(() => expect(asked).toEqual(["false"]));
    await waitFor(() => expect(client.isFetching()).toBe(0));
    expect(screen.queryByRole("region")).not.toBeInTheDocument();
    expect(screen.queryByRole("button")).not.toBeInTheDocument();
  });

  it("offers the question also where it could not be seen what is there", async () => {
    block(refused(), words);
    fireEvent.click(await screen.findByRole("button", { name: "Ask a language model to explain" }));
    expect(await screen.findByText(words.text)).toBeInTheDocument();
  });
});
