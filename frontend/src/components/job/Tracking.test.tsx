import { act, render, screen } from "@testing-library/react";
import axe from "axe-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Job, MlflowView } from "../../generated/api";
import { job } from "../../test-data";
import { Tracking } from "./Tracking";

const RUN = "http://mlflow.test/#/experiments/1/runs/r1";
const SINCE = "2026-11-23T12:00:00.000Z";
const UNTIL = "2026-11-23T12:03:19.000Z";
const following: MlflowView = {
  state: "following",
  url: RUN,
  waiting: 0,
  gap: null,
  given_up: 0,
  reason: null,
};
const behind: MlflowView = {
  ...following,
  state: "behind",
  waiting: 12,
  gap: { since: SINCE, until: null, points: 0 },
  reason: "refuses the connection",
};
const complete: MlflowView = { ...following, state: "complete" };
const past = { since: SINCE, until: UNTIL, points: 18 };

const shown = (mlflow: MlflowView | null | undefined, some: Partial<Job> = {}) =>
  render(<Tracking job={job({ mlflow, ...some })} />);
const text = () => screen.getByRole("region", { name: "MLflow" }).textContent;
const over = { status: "succeeded" } as const;

afterEach(() => {
  vi.useRealTimers();
});

describe("a training in MLflow", () => {
  it.each([undefined, null])("is not mentioned where there is no MLflow (%s)", (told) => {
    const { container } = shown(told);
    expect(container).toBeEmptyDOMElement();
  });

  it("links to its run and says that it is up to date", () => {
    shown(following);
    expect(screen.getByRole("status")).toHaveTextContent(/^Up to date$/);
    expect(screen.getByRole("link", { name: "Open the run in MLflow" })).toHaveAttribute("href", RUN);
  });

  it("has no link before there is a run", () => {
    shown({ ...following, url: null, waiting: 1 });
    expect(screen.getByRole("status")).toHaveTextContent("Being sent");
    expect(text()).toContain("1 update on the way.");
    expect(screen.queryByRole("link")).not.toBeInTheDocument();
  });

  it("tells what waits, why, since when, and that nothing is lost", () => {
    shown(behind);
    expect(screen.getByRole("status")).toHaveTextContent("Waiting for MLflow");
    expect(text()).toContain("MLflow refuses the connection. 12 updates wait since");
    expect(text()).toContain("Nothing is lost: it is sent in order as soon as MLflow takes it.");
    expect(text()).toContain("The training does not wait for it.");
    expect(document.querySelector("time")).toHaveAttribute("datetime", SINCE);
  });

  it("lets the end of a training wait, too, and says no more of one that has ended", () => {
    shown({ ...behind, waiting: 0, reason: null }, over);
    expect(text()).toContain("MLflow cannot be reached. The end of the training waits since");
    expect(text()).not.toContain("does not wait for it");
  });

  it("tells the gap that is over: from when to when, how long, how much came late", () => {
    shown({ ...following, gap: past });
    expect(screen.getByRole("status")).toHaveTextContent("Up to date");
    expect(text()).toContain("(3:19): 18 figures came late, in order.");
    const times = [...document.querySelectorAll("time")].map((time) => time.getAttribute("datetime"));
    expect(times).toEqual([SINCE, UNTIL]);
  });

  it("does not say that nothing is lost where something is", () => {
    shown({ ...behind, given_up: 1700 });
    expect(text()).toContain("1,700 updates will never be there: more waited than the platform keeps.");
    expect(text()).not.toContain("Nothing is lost");
    expect(text()).toContain("What waits is kept: it is sent in order");
  });

  it.each([
    [complete, "All there", 0],
    [{ ...complete, given_up: 1 }, "All there but what was given up", 1],
  ])("is complete, or all but what was given up", (told, word, lost) => {
    shown(told, over);
    expect(screen.getByRole("status")).toHaveTextContent(new RegExp(`^${word}$`));
    expect(screen.queryAllByText(/will never be there/)).toHaveLength(lost);
  });

  it("says that MLflow does not take it, and where it still is", () => {
    shown({ ...following, state: "refused", reason: "does not take it (INVALID_PARAMETER_VALUE)" });
    expect(screen.getByRole("status")).toHaveTextContent("Not taken by MLflow");
    expect(text()).toContain(
      "MLflow does not take it (INVALID_PARAMETER_VALUE). Nothing more of this training",
    );
    expect(screen.getByRole("link", { name: "What this means" })).toHaveAttribute(
      "href",
      "/errors/MLFLOW_UNAVAILABLE",
    );
  });

  it("sends the files and the end of a training that is over", () => {
    shown(following, over);
    expect(text()).toContain("Its files and its end are on the way.");
  });

  it("announces a change of state, not every figure", () => {
    vi.useFakeTimers({ now: Date.parse(SINCE) + 30_000 });
    const { rerender } = shown(behind);
    expect(text()).toContain("(30 s ago)");
    const said = screen.getByRole("status").textContent;
    act(() => {
      vi.advanceTimersByTime(35_000);
    });
    rerender(<Tracking job={job({ mlflow: { ...behind, waiting: 40 } })} />);
    expect(text()).toContain("40 updates wait since");
    expect(text()).toContain("(1 min ago)");
    expect(screen.getByRole("status").textContent).toBe(said);
    rerender(<Tracking job={job({ mlflow: { ...following, gap: past } })} />);
    expect(screen.getByRole("status")).toHaveTextContent("Up to date");
  });

  it.each([
    following,
    { ...following, url: null },
    behind,
    { ...behind, given_up: 3 },
    { ...following, gap: past },
    complete,
    { ...following, state: "refused" as const },
  ])("is accessible in each state (%#)", async (told) => {
    const { container } = shown(told);
    // Colours need a real browser: the page tests look at them.
    const found = await axe.run(container, { rules: { "color-contrast": { enabled: false } } });
    expect(found.violations.map((item) => item.id)).toEqual([]);
  });
});
