import { fireEvent, screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HeldAlert, SystemAlerts, ToldAlert } from "../generated/api";
import { publicError } from "../test-data";
import { routed } from "../test-routed";
import { Alerts } from "./Alerts";

const server = setupServer();
beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

const told = (some: Partial<ToldAlert> = {}): ToldAlert => ({
  kind: "critical",
  code: "DATABASE_ERROR",
  title: "Database failed",
  severity: "critical",
  owner: "infrastructure",
  component: "api",
  message: "It could not be saved.",
  action: null,
  times: 1,
  at: "2026-11-23T12:00:00.000Z",
  group_id: null,
  job_id: null,
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
  link: "/errors/DATABASE_ERROR",
  runbook: "/runbooks/DatabaseErrors",
  outcome: "sent",
  reason: null,
  ...some,
});
const held = (some: Partial<HeldAlert> = {}): HeldAlert => ({
  name: "AgentLost",
  severity: "critical",
  owner: "platform",
  summary: "An agent is gone.",
  description: null,
  since: "2026-11-23T12:00:00.000Z",
  state: "firing",
  runbook: "/runbooks/AgentLost",
  labels: {},
  ...some,
});

/** The card, as somebody of this role sees it. */
function card(answer: SystemAlerts | Response, role = "operator") {
  server.use(
    http.get("/api/v1/session", () => HttpResponse.json({ authenticated: true, role })),
    http.get("/api/v1/system/alerts", () =>
      answer instanceof Response ? answer : HttpResponse.json(answer),
    ),
  );
  return routed(Alerts);
}

describe("alerts", () => {
  it("are those that fire, with severity, owner and runbook, and quiet ones called so", async () => {
    const items = [held(), held({ name: "DiskFilling", state: "silenced", runbook: null })];
    card({ receiver: true, told: [], alertmanager: { reachable: true, reason: null, total: 7, items } });
    const [first, second] = await screen.findAllByRole("listitem");
    expect(first).toHaveTextContent(/AgentLost.*An agent is gone\..*critical.*for platform/);
    expect(
      within(first as HTMLElement).getByRole("link", { name: /^Runbook ?of AgentLost$/ }),
    ).toHaveAttribute("href", "/runbooks/AgentLost");
    expect(second).toHaveTextContent(/DiskFilling.*silenced/);
    expect(screen.getByText("2 of 7")).toBeInTheDocument();
    expect(screen.queryByText("Nobody is told of these.")).not.toBeInTheDocument();
  });

  it("that were told lead to the group, the job or the trace, and say where they did not arrive", async () => {
    const several = [
      told({ group_id: 7, kind: "regressed", times: 5 }),
      told({ job_id: "J-2", kind: "new", outcome: "failed", reason: "the receiver answered 403" }),
      told({ outcome: "dropped" }),
      told({ code: "STORAGE_ERROR" }),
    ];
    card({ receiver: true, told: several, alertmanager: null });
    const links = await screen.findAllByRole("link", { name: /^Database failed/ });
    expect(links.map((link) => link.getAttribute("href"))).toEqual([
      "/failures/7",
      "/jobs/J-2",
      expect.stringContaining("/failures?q="),
    ]);
    expect(screen.getByText(/5 times/)).toBeInTheDocument();
    expect(screen.getByText("Not delivered: the receiver answered 403")).toBeInTheDocument();
    expect(screen.getByText("Not delivered: too many waited before it")).toBeInTheDocument();
    expect(screen.queryByText("STORAGE_ERROR")).not.toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Show all 4" }));
    expect(screen.getByText("STORAGE_ERROR")).toBeInTheDocument();
  });

  it("say that nobody is told, and that an Alertmanager cannot be asked", async () => {
    const away = { reachable: false, reason: "The connection to Alertmanager failed.", total: 0, items: [] };
    card({ receiver: false, told: [], alertmanager: away });
    expect(await screen.findByText(/The connection to Alertmanager failed\./)).toBeInTheDocument();
    expect(screen.getByText("Nobody is told of these.")).toBeInTheDocument();
  });

  it("that cannot be had leave the page as it is", async () => {
    card(HttpResponse.json({ error: publicError({ retryable: false }) }, { status: 500 }));
    expect(await screen.findByText(/insufficient GPU memory/)).toBeInTheDocument();
    expect(screen.getByText("Alerts")).toBeInTheDocument();
  });

  it("are not shown to those who may not see them", async () => {
    const client = card({ receiver: true, told: [], alertmanager: null }, "user");
    await expect.poll(() => client.getQueryData(["session"])).toMatchObject({ role: "user" });
    expect(screen.queryByText("Alerts")).not.toBeInTheDocument();
  });
});
