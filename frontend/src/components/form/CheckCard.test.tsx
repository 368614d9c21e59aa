import { fireEvent, render, screen } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import type { PublicError } from "../../generated/api";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { publicError } from "../../test-data";
import { CheckCard } from "./CheckCard";

const noMachine = publicError({
  code: "INVALID_CONFIG",
  severity: "low",
  message: "No machine with sklearn fits this training; it would wait until one does.",
  suggested_action: "Ask for less, or start an agent on a machine that has it.",
  errors: [
    { pointer: "#/device", code: "no_machine", message: "`0` needs 1 GPU; the machine with most has none" },
  ],
  fixes: [
    {
      id: "use-device",
      label: "Device 0 → auto",
      applicability: "review",
      patch: [{ op: "replace", path: "/device", value: "auto" }],
    },
  ],
});

function form(warnings: PublicError[], applyFix = vi.fn()) {
  return {
    complete: true,
    checking: false,
    checked: { data: { errors: [], warnings, config: null, memory: null, failure: null }, error: null },
    errors: [],
    config: {},
    submit: { error: null, isPending: false },
    applyFix,
  } as unknown as TrainingForm;
}

describe("the check of a new training", () => {
  it("is ready where nothing is to be said", () => {
    render(<CheckCard form={form([])} onField={vi.fn()} />);
    expect(screen.getByText("Ready to train")).toBeInTheDocument();
  });

  it("is not called ready where no machine fits: it says what is missing, and offers the change", () => {
    const applyFix = vi.fn();
    render(<CheckCard form={form([noMachine], applyFix)} onField={vi.fn()} />);
    expect(screen.queryByText("Ready to train")).not.toBeInTheDocument();
    expect(screen.getByText("It can be started, but look at this first")).toBeInTheDocument();
    expect(
      screen.getByRole("heading", { level: 2, name: /No machine with sklearn fits/ }),
    ).toBeInTheDocument();
    expect(screen.getByRole("listitem")).toHaveTextContent(
      "device: 0 needs 1 GPU; the machine with most has none",
    );
    fireEvent.click(screen.getByRole("button", { name: "Review: Device 0 → auto" }));
    expect(applyFix).toHaveBeenCalledWith(noMachine.fixes[0]);
    expect(screen.getByRole("button", { name: "Start training" })).toBeEnabled();
  });
});
