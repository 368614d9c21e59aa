import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../services/api";
import { halveBatch, publicError } from "../test-data";
import { ErrorAlert } from "./ErrorAlert";

const error = (some = {}, status = 422) => new ApiError({ error: publicError(some) }, status);

describe("ErrorAlert", () => {
  it("shows a known system error in its own words, with its fix as a button", () => {
    const onFix = vi.fn();
    render(<ErrorAlert error={error({ fixes: [halveBatch] })} onFix={onFix} />);
    expect(screen.getByRole("heading")).toHaveTextContent("Training failed due to insufficient GPU memory.");
    expect(screen.getByText(/Try reducing batch size/)).toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Batch size 32 → 16" }));
    expect(onFix).toHaveBeenCalledWith(halveBatch);
  });

  it("says in words how bad it is, not by colour alone", () => {
    const words = ["critical", "high", "medium", "low"].map((severity) => {
      const { container, unmount } = render(<ErrorAlert error={error({ severity })} />);
      const word = within(container).getByRole("heading").textContent?.split(":")[0];
      unmount();
      return word;
    });
    expect(new Set(words).size).toBe(4);
  });

  it("offers a retry by what the backend says, whatever the type is", () => {
    const { rerender } = render(
      <ErrorAlert error={error({ type: "system_error", retryable: true })} onRetry={vi.fn()} />,
    );
    expect(screen.getByRole("button", { name: "Try again" })).toBeEnabled();
    rerender(<ErrorAlert error={error({ type: "transient", retryable: false })} onRetry={vi.fn()} />);
    expect(screen.queryByRole("button", { name: "Try again" })).not.toBeInTheDocument();
  });

  it("labels a change that wants a look as one, and gives advice without a button", () => {
    const review = {
      ...halveBatch,
      id: "smaller",
      label: "Image size 640 → 480",
      applicability: "review" as const,
    };
    const manual = {
      id: "buy",
      label: "Use a GPU with more memory",
      applicability: "manual" as const,
      patch: [],
    };
    render(<ErrorAlert error={error({ fixes: [review, manual] })} onFix={vi.fn()} />);
    expect(screen.getByRole("button", { name: "Review: Image size 640 → 480" })).toBeInTheDocument();
    expect(screen.getByText("Use a GPU with more memory")).toBeInTheDocument();
    expect(screen.getAllByRole("button")).toHaveLength(1);
  });

  it("is one alert, and what counts down lies outside of it", () => {
    render(<ErrorAlert error={error({ retryable: true, retry_after: 5 })} onRetry={vi.fn()} />);
    const alerts = screen.getAllByRole("alert");
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).not.toContainElement(screen.getByRole("button"));
  });

  it("takes the focus to its heading where it stands in for a page", () => {
    render(<ErrorAlert error={error()} announce="focus" />);
    expect(screen.getByRole("heading")).toHaveFocus();
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  it("links the page of its code, and shows the trace id last", () => {
    const { container } = render(<ErrorAlert error={error()} />);
    expect(screen.getByRole("link", { name: "About CUDA_OOM" })).toHaveAttribute("href", "/errors/CUDA_OOM");
    expect(container.textContent?.endsWith("4bf92f3577b34da6a3ce929d0e0e4736")).toBe(true);
  });

  it.each(["javascript:alert(1)", "//evil.example", "http://plain.example"])(
    "makes no link of %s",
    (doc_url) => {
      render(<ErrorAlert error={error({ doc_url })} />);
      expect(screen.queryByRole("link")).not.toBeInTheDocument();
    },
  );

  it("can be dismissed only where somebody listens", () => {
    const onDismiss = vi.fn();
    const { rerender } = render(<ErrorAlert error={error()} />);
    expect(screen.queryByRole("button", { name: "Dismiss" })).not.toBeInTheDocument();
    rerender(<ErrorAlert error={error()} onDismiss={onDismiss} />);
    fireEvent.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(onDismiss).toHaveBeenCalledOnce();
  });

  it("lists field errors where no form shows them", () => {
    const errors = [{ pointer: "#/lr0", code: "less_than_equal", message: "must be at most `1`" }];
    render(<ErrorAlert error={error({ errors })} listFields />);
    expect(screen.getByRole("listitem")).toHaveTextContent("lr0: must be at most 1");
  });
});

describe("the retry button", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("waits as long as the backend asked for", () => {
    const onRetry = vi.fn();
    render(<ErrorAlert error={error({ retryable: true, retry_after: 3 })} onRetry={onRetry} />);
    expect(screen.getByRole("button")).toBeDisabled();
    expect(screen.getByRole("button")).toHaveTextContent("Try again in 3 s");
    act(() => void vi.advanceTimersByTime(3000));
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(onRetry).toHaveBeenCalledOnce();
  });
});
