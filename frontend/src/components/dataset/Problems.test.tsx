import { fireEvent, render, screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { ProblemGroup } from "../../generated/api";
import { countsText, problemGroups, problemsText } from "../../lib/dataset";
import { report } from "../../test-data";
import { Problems } from "./Problems";

const item = (file: string, line: number | null = null, thumbnail: string | null = null) => ({
  file,
  line,
  detail: "ends too early",
  thumbnail,
});
const broken: ProblemGroup = {
  problem: "image_truncated",
  severity: "error",
  title: "Images that end too early",
  count: 2,
  items: [item("train/0/a.png", null, "/api/v1/datasets/d/thumbnails/0"), item("train/1/b.png")],
};
const rows: ProblemGroup = {
  problem: "duplicate_row",
  severity: "warning",
  title: "Boxes that stand twice",
  count: 250,
  items: Array.from({ length: 100 }, (_, index) => item(`labels/${index}.txt`, index + 1)),
};

describe("a report", () => {
  it("counts every kind of problem, errors before warnings", () => {
    render(<Problems report={report({ problems: [rows, broken] })} />);
    const kinds = within(screen.getByRole("list", { name: "Problems by kind" })).getAllByRole("listitem");
    expect(kinds.map((kind) => kind.textContent)).toEqual([
      expect.stringContaining("error: Images that end too early: 2"),
      expect.stringContaining("warning: Boxes that stand twice: 250"),
    ]);
  });

  it("shows what can be seen of a broken image, and says where nothing can", () => {
    render(<Problems report={report({ problems: [broken] })} />);
    expect(screen.getByRole("img", { name: "What can be read of train/0/a.png" })).toHaveAttribute(
      "src",
      "/api/v1/datasets/d/thumbnails/0",
    );
    expect(screen.getByText("no picture")).toBeInTheDocument();
  });

  it("lists the first hundred with their lines, and counts the others", () => {
    render(<Problems report={report({ problems: [rows] })} />);
    expect(screen.queryByText(/labels\/99\.txt/)).not.toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Show 100 of 250" }));
    expect(screen.getByText(/labels\/99\.txt/)).toHaveTextContent("labels/99.txt:100");
    expect(screen.getByText(/150 more are counted/)).toBeInTheDocument();
  });
});

describe("a data set in words", () => {
  it("says what is in it", () => {
    expect(countsText(report())).toBe("classification, 2 classes: 400 images to train, 224 to validate");
    expect(countsText(report({ status: "checking" }))).toContain("being checked");
  });

  it("says how many problems there are, and when there are none", () => {
    expect(problemsText(report({ errors: 7, warnings: 1 }))).toBe("7 errors, 1 warning");
    expect(problemsText(report())).toBe("No problems");
  });

  it("knows how many of a kind are not listed", () => {
    expect(problemGroups(report({ problems: [rows] }))[0]?.hidden).toBe(150);
  });
});
