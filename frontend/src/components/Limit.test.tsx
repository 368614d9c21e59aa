import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { ApiError } from "../services/api";
import { publicError } from "../test-data";
import { ErrorAlert } from "./ErrorAlert";

const shown = (code: string, params: Record<string, unknown>) =>
  render(<ErrorAlert error={new ApiError({ error: publicError({ code, params, fixes: [] }) })} />);

it("a quota says how much of it is used, where to give back, and who can raise it", () => {
  shown("QUOTA_EXCEEDED", { resource: "open jobs", current: 3, limit: 4 });
  expect(screen.getByText("3 of 4")).toBeInTheDocument();
  expect(screen.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "75");
  const link = screen.getByRole("link", { name: "See the open jobs" });
  expect(decodeURIComponent(link.getAttribute("href") ?? "")).toContain('["queued","starting"');
  expect(screen.getByText("VTP_MAX_OPEN_JOBS")).toBeInTheDocument();
});

it("a quota of something else names no jobs", () => {
  shown("QUOTA_EXCEEDED", {});
  expect(screen.queryByRole("progressbar")).not.toBeInTheDocument();
  expect(screen.getByText(/can raise the limit/)).toBeInTheDocument();
});

it("a permission says which role it takes and who can grant it", () => {
  shown("INSUFFICIENT_PERMISSIONS", { action: "use this", required_role: "operator" });
  expect(screen.getByText(/can grant it, with the role operator/)).toBeInTheDocument();
});

it("other errors say nothing of limits", () => {
  shown("CUDA_OOM", {});
  expect(screen.queryByText(/Whoever runs the platform/)).not.toBeInTheDocument();
});
