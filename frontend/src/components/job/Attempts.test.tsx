import { render, screen, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { attempt, job } from "../../test-data";
import { Attempts } from "./Attempts";

const shown = (...attempts: ReturnType<typeof attempt>[]) =>
  render(<Attempts job={job({ status: "failed" })} attempts={attempts} chosen={1} onChoose={vi.fn()} />);

describe("the timeline of attempts", () => {
  it("tells folded what an attempt was diagnosed as before, newest first", () => {
    const verdict = { confidence: 0.6, evidence: ["RuntimeError: lane"], fingerprint: "f" };
    shown(
      attempt({
        verdicts: [
          { ...verdict, at: "2026-11-23T12:02:00.000Z", code: "TRAINING_CODE_ERROR" },
          { ...verdict, at: "2026-11-23T12:03:00.000Z", code: "GPU_HARDWARE_FAULT" },
        ],
      }),
    );
    const details = screen.getByText("2 earlier verdicts").closest("details");
    expect(details).not.toHaveAttribute("open");
    const rows = within(details as HTMLElement).getAllByRole("listitem", { hidden: true });
    expect(rows.map((row) => row.textContent)).toEqual([
      expect.stringMatching(/^Diagnosed before as GPU_HARDWARE_FAULT \(60 %\), until .+RuntimeError: lane$/),
      expect.stringMatching(/^Diagnosed before as TRAINING_CODE_ERROR \(60 %\), until /),
    ]);
    const times = rows.map((row) => row.querySelector("time")?.getAttribute("datetime"));
    expect(times).toEqual(["2026-11-23T12:03:00.000Z", "2026-11-23T12:02:00.000Z"]);
  });

  it("says nothing of earlier verdicts where there were none", () => {
    shown(attempt());
    expect(screen.queryByText(/earlier verdict/)).not.toBeInTheDocument();
  });
});
