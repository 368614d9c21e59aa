import { describe, expect, it } from "vitest";
import type { EpochFigures, Figure } from "../generated/api";
import { beside, merged, panels, resumptions, spoken } from "./curves";

const epoch = (number: number, loss: Figure, attempt = 1): EpochFigures => ({
  attempt,
  epoch: number,
  epochs: 10,
  losses: { "train/box_loss": loss, "val/box_loss": loss, "train/cls_loss": loss },
  metrics: { "metrics/mAP50(B)": 0.5 },
  lr: null,
  images_per_s: null,
  disk: null,
  memory: null,
  at: "",
});

describe("curves", () => {
  it("puts train and validation of one term into one panel, and each term into its own", () => {
    const found = panels([epoch(1, 1)]);
    expect(found.map((panel) => [panel.title, panel.lines.map((line) => line.name)])).toEqual([
      ["mAP50", ["metrics/mAP50(B)"]],
      ["Box loss", ["train/box_loss", "val/box_loss"]],
      ["Cls loss", ["train/cls_loss"]],
    ]);
  });

  it("counts the figures of the later attempt where an epoch was done again", () => {
    const all = [epoch(1, 1), epoch(2, 2), epoch(2, 5, 2), epoch(3, 3, 2)];
    expect(merged(all).map((item) => [item.epoch, item.attempt])).toEqual([
      [1, 1],
      [2, 2],
      [3, 2],
    ]);
    expect(resumptions(all)).toEqual([{ attempt: 2, epoch: 2 }]);
  });

  it("leaves a gap where a value is not finite, and says in which epoch", () => {
    const loss = panels([epoch(1, 1), epoch(2, "nan"), epoch(3, "inf")]).find(
      (panel) => panel.title === "Box loss",
    );
    expect(loss?.lines[0]?.points).toEqual([1, null, null]);
    expect(loss?.notFinite).toBe(2);
  });

  it("shows the epoch under way where it stands", () => {
    const progress = { epoch: 2, epochs: 10, step: 1, steps: 4, losses: { "train/box_loss": 0.7 } };
    const loss = panels([epoch(1, 1)], progress).find((panel) => panel.title === "Box loss");
    expect(loss?.x).toEqual([1, 1.25]);
    expect(loss?.lines.map((line) => line.points)).toEqual([
      [1, 0.7],
      [1, null],
    ]);
  });

  it("keeps the first curve between the last step of an epoch and its end", () => {
    const progress = { epoch: 1, epochs: 3, step: 2, steps: 2, losses: { "train/loss": 2 } };
    expect(panels([], progress)[0]?.x).toEqual([1]);
  });

  it("has curves from the first steps on", () => {
    expect(panels([], { epoch: 1, epochs: 3, step: 1, steps: 2, losses: { "train/loss": 2 } })[0]?.x).toEqual(
      [0.5],
    );
    expect(panels([], null)).toEqual([]);
  });

  it("puts another job's lines beside its own, each at its own epochs", () => {
    const own = panels([epoch(1, 4), epoch(2, 3)]);
    const both = beside(own, panels([epoch(2, 8), epoch(3, 7)]), "J-2").find(
      (panel) => panel.title === "Cls loss",
    );
    expect(both?.x).toEqual([1, 2, 3]);
    expect(both?.lines.map((line) => [line.label, line.points])).toEqual([
      ["train/cls loss", [4, 3, null]],
      ["J-2 train/cls loss", [null, 8, 7]],
    ]);
    expect(beside(own, [], "J-2")).toEqual(own);
  });

  it("says a curve in words", () => {
    const loss = panels([epoch(1, 2), epoch(2, 0.51234)]).find((panel) => panel.title === "Cls loss");
    expect(loss && spoken(loss)).toBe("Cls loss over 2 epochs: train/cls loss from 2 to 0.512");
  });
});

it("draws memory in gigabytes, of the GPU and of the process, where they are told", () => {
  const memory = { gpu_bytes: 5_500_000_000, rss_bytes: 2_000_000_000 };
  const panel = panels([{ ...epoch(1, 1), memory }, epoch(2, 1)]).find((item) => item.key === "memory");
  expect(panel?.lines.map((line) => [line.label, line.points])).toEqual([
    ["GPU", [5.5, null]],
    ["main memory", [2, null]],
  ]);
});

it("draws less than a gigabyte of memory in megabytes: an axis of 0.14, 0.14, 0.14 tells nothing", () => {
  const held = (bytes: number) => ({ ...epoch(1, 1), memory: { rss_bytes: bytes } });
  const panel = panels([held(140_100_000)]).find((item) => item.key === "memory");
  expect(panel?.title).toBe("Memory, MB");
  expect(panel?.lines[0]?.points).toEqual([140.1]);
});
