import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Dependency } from "../generated/api";
import { dependency } from "../test-data";
import { DependencyRows } from "./SystemDependency";

const show = (...items: Dependency[]) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <DependencyRows items={items} />
    </QueryClientProvider>,
  );

describe("an integration on the system page", () => {
  it("says what it is, its version, that it is there, and how calls are protected", () => {
    show(dependency({ name: "database", title: "Database", configured: "postgresql", version: "15.14" }));
    const row = screen.getByRole("listitem");
    expect(row).toHaveTextContent("Database");
    expect(row).toHaveTextContent("Reachable");
    expect(row).toHaveTextContent("postgresql, version 15.14, looked at");
    expect(row).toHaveTextContent("5 attempts");
    expect(within(row).getByRole("button", { name: /^Switch off ?Database$/ })).toBeEnabled();
    expect(row).not.toHaveTextContent("Last error");
  });

  it("says what is lost without it, and its last error with code, reason and trace", () => {
    const last_error = {
      code: "TEMPORAL_ERROR",
      message: "The workflow engine could not complete this.",
      reason: "Connection failed",
      at: "2026-11-23T16:20:31.123Z",
      trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    };
    show(dependency({ reachable: false, degraded: "New ones start when Temporal is back.", last_error }));
    const row = screen.getByRole("listitem");
    expect(row).toHaveTextContent("Not reachable");
    expect(row).toHaveTextContent("New ones start when Temporal is back.");
    expect(row).toHaveTextContent(
      "Connection failed (TEMPORAL_ERROR, trace 4bf92f3577b34da6a3ce929d0e0e4736)",
    );
    expect(screen.getByRole("link", { name: "TEMPORAL_ERROR" })).toHaveAttribute(
      "href",
      "/errors/TEMPORAL_ERROR",
    );
  });

  it("without a reason gives the message", () => {
    const last_error = {
      code: "STORAGE_ERROR",
      message: "Files could not be read.",
      reason: null,
      at: "",
      trace_id: "1",
    };
    show(dependency({ last_error }));
    expect(screen.getByRole("listitem")).toHaveTextContent(
      "Files could not be read (STORAGE_ERROR, trace 1)",
    );
  });

  it("lists what is not set up in one line, and offers no switch for it", () => {
    show(
      dependency({ name: "mlflow", title: "MLflow", configured: null, state: null }),
      dependency({ name: "sentry", title: "Sentry", configured: null, state: null }),
    );
    expect(screen.getAllByRole("listitem")).toHaveLength(1);
    expect(screen.getByRole("listitem")).toHaveTextContent("Not set up: MLflow, Sentry");
    expect(screen.queryByRole("button")).not.toBeInTheDocument();
  });

  it("can be let in again where a person has switched it off", () => {
    show(dependency({ state: "ISOLATED", switched_off: true }));
    expect(screen.getByRole("listitem")).toHaveTextContent("Switched off");
    expect(screen.getByRole("button", { name: /^Reset ?Temporal$/ })).toBeEnabled();
  });
});
