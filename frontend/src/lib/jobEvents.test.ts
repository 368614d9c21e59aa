import { describe, expect, it } from "vitest";
import type { EpochFigures, JobEvent } from "../generated/api";
import { job, publicError } from "../test-data";
import { reduceEpochs, reduceJob, stale } from "./jobEvents";

const at = "2026-11-23T12:00:10.000Z";
const head = (seq: number, attempt = 1) => ({ seq, at, attempt });
const epochEnd = (seq: number, epoch: number, attempt = 1): JobEvent => ({
  ...head(seq, attempt),
  type: "progress",
  epoch,
  epochs: 10,
  epoch_end: true,
  losses: { "train/loss": 1 / epoch },
  metrics: { "metrics/accuracy_top1": 0.5 },
});

describe("a job and its events", () => {
  it("follows attempt, wait and success", () => {
    const events: JobEvent[] = [
      {
        ...head(6),
        type: "state",
        status: "waiting",
        retry_at: "2026-11-23T12:00:14.000Z",
        reason: "trying again",
      },
      { ...head(7), type: "state", status: "queued" },
      { ...head(8, 2), type: "state", status: "running" },
      {
        ...head(9, 2),
        type: "state",
        status: "succeeded",
        result: { metrics: {}, primary: { name: "a", value: 1 }, epochs: 10, duration_s: 9 },
      },
    ];
    const steps = events.map((_, count) => events.slice(0, count + 1).reduce(reduceJob, job()));
    expect(steps.map((step) => [step.status, step.attempt, step.retry_at])).toEqual([
      ["waiting", 1, "2026-11-23T12:00:14.000Z"],
      ["queued", 1, null],
      ["running", 2, null],
      ["succeeded", 2, null],
    ]);
    expect(steps.at(-1)).toMatchObject({ finished_at: at, result: { epochs: 10 }, last_seq: 9 });
  });

  it("changes nothing for an event that is already in it", () => {
    const before = job({ last_seq: 9 });
    expect(reduceJob(before, { ...head(9), type: "state", status: "failed" })).toBe(before);
  });

  it("takes the error of the end, not of an attempt that is tried again", () => {
    const error = publicError();
    expect(reduceJob(job(), { ...head(6), type: "error", fatal: false, error }).error).toBeNull();
    expect(reduceJob(job(), { ...head(6), type: "error", fatal: true, error }).error).toBe(error);
  });

  it("keeps the last metrics while steps of the next epoch come without any", () => {
    const after = [
      epochEnd(6, 1),
      { ...head(7), type: "progress", epoch: 2, step: 1, steps: 9, metrics: {} } as JobEvent,
    ].reduce(reduceJob, job());
    expect(after.progress).toMatchObject({ epoch: 2, step: 1, metrics: { "metrics/accuracy_top1": 0.5 } });
  });

  it("counts an event as a sign of life", () => {
    expect(reduceJob(job({ heard_at: "2026-11-23T11:00:00.000Z" }), epochEnd(6, 1)).heard_at).toBe(at);
    expect(reduceJob(job({ heard_at: "2026-11-23T13:00:00.000Z" }), epochEnd(6, 1)).heard_at).toBe(
      "2026-11-23T13:00:00.000Z",
    );
  });
});

describe("epochs", () => {
  it("has each epoch of an attempt once, whatever is sent twice", () => {
    const events = [epochEnd(6, 1), epochEnd(7, 2), epochEnd(7, 2), epochEnd(9, 2, 2)];
    const found = events.reduce(reduceEpochs, [] as EpochFigures[]);
    expect(found.map((item) => [item.attempt, item.epoch])).toEqual([
      [1, 1],
      [1, 2],
      [2, 2],
    ]);
  });

  it("ignores steps within an epoch", () => {
    expect(reduceEpochs([], { ...head(6), type: "progress", epoch: 1, step: 3, steps: 9 })).toEqual([]);
  });
});

it("fetches again only what events do not tell in full", () => {
  const artifact = {
    type: "artifact" as const,
    name: "best.npz",
    bytes: 4,
    sha256: "0",
    media_type: "application/octet-stream",
    role: "weights",
    epoch: 1,
  };
  expect(stale([epochEnd(6, 1)])).toEqual({ attempts: false, artifacts: false, job: false, signs: true });
  expect(stale([{ ...head(6), ...artifact }])).toEqual({
    attempts: false,
    artifacts: true,
    job: false,
    signs: false,
  });
  expect(stale([{ ...head(6), type: "state", status: "failed" }])).toEqual({
    attempts: true,
    artifacts: false,
    job: true,
    signs: false,
  });
});
