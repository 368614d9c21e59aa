import { fireEvent, render, screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { group } from "../../test-data";
import { versionText } from "./Fingerprints";
import { Sparkline } from "./Sparkline";
import { TrendCard } from "./Trend";

const today = `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`;
const thisHour = `${new Date().toISOString().slice(0, 13)}:00:00.000Z`;

describe("how often a group came", () => {
  it("is a picture with words, and a table for whoever wants figures", () => {
    render(<TrendCard group={group({ days: [{ at: today, count: 1234 }] })} />);
    expect(screen.getByRole("img")).toHaveAccessibleName(
      "1,234 failures in the last 30 days, 1234 in the day with most",
    );
    expect(screen.queryByRole("button", { name: "48 hours" })).not.toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "As a table" }));
    const rows = within(screen.getByRole("table")).getAllByRole("row");
    expect(rows.map((row) => row.textContent)).toEqual(["Day (UTC)Failures", `${today.slice(0, 10)}1,234`]);
  });

  it("is told by hour to those who may see hours", () => {
    render(<TrendCard group={group({ hours: [{ at: thisHour, count: 3 }] })} />);
    fireEvent.click(screen.getByRole("button", { name: "48 hours" }));
    expect(screen.getByRole("img")).toHaveAccessibleName(
      "3 failures in the last 48 hours, 3 in the hour with most",
    );
  });

  it("is a line of bars in a list, one for each day, with its direction in a word", () => {
    const trend = {
      days: [...Array(13).fill(0), 5],
      this_week: 5,
      last_week: 0,
      direction: "rising" as const,
    };
    const { container } = render(<Sparkline trend={trend} />);
    expect(screen.getByRole("img")).toHaveAccessibleName(/5 in the last 7, 0 in the 7 before, rising/);
    expect(container.querySelectorAll("rect")).toHaveLength(14);
    expect(screen.getByText("rising")).toBeInTheDocument();
  });
});

describe("a fingerprint", () => {
  it.each([
    ["v1:7223b09cb012bb06", "version 1, from the diagnosis of a training"],
    ["e2:00", "version 2, from the code, the route and where it was raised"],
    ["x3:00", "version 3"],
    ["nothing", "of an unknown version"],
  ])("%s says by which rules it was made", (fingerprint, text) =>
    expect(versionText(fingerprint)).toBe(text),
  );
});
