import { describe, expect, it } from "vitest";
import type { Artifact } from "../generated/api";
import { attempt, job, publicError } from "../test-data";
import {
  certainty,
  chargeText,
  decisive,
  evidenceText,
  exitText,
  followed,
  goesOnText,
  impact,
  lostEpochs,
  reason,
} from "./failure";
import { supportText } from "./support";

describe("a failed job", () => {
  it("says that a refusal has cost nothing", () => {
    expect(impact(job(), [], [])).toEqual([expect.stringContaining("refused before it started")]);
  });

  it("adds up what attempts have cost", () => {
    const two = [attempt({ epoch: 3 }), attempt({ attempt: 2, epoch: 5 })];
    expect(impact(job(), two, [])[0]).toBe("5 of 10 epochs were done in 2 attempts, 2:00 of training.");
  });

  it("names the newest weights that are kept", () => {
    const kept = (name: string, epoch: number): Artifact => ({
      name,
      attempt: 1,
      bytes: 1,
      sha256: "",
      media_type: "",
      role: "checkpoint",
      epoch,
      url: "",
    });
    const lines = impact(
      job(),
      [attempt()],
      [kept("last-0.pt", 4), kept("last-1.pt", 5), kept("last-2.pt", 3)],
    );
    expect(lines.at(-1)).toBe("The weights of epoch 5 are kept: last-1.pt.");
  });

  it("is explained by its last diagnosed attempt", () => {
    const found = decisive([attempt(), attempt({ attempt: 2 }), attempt({ attempt: 3, diagnosis: null })]);
    expect(found?.attempt).toBe(2);
  });

  it.each([
    ["retry", "GPU memory exhausted: trying again (1 of 3)", "Tried again (1 of 3)"],
    [
      "elsewhere",
      "GPU memory exhausted: trying again on another machine (2 of 6)",
      "Tried again on another machine (2 of 6)",
    ],
    ["repair", "Batch size 32 → 16", "Repaired and tried again: batch size 32 → 16"],
    [
      "fail",
      "GPU memory exhausted: trying the same again cannot help",
      "Ended here: trying the same again cannot help",
    ],
  ])("tells what followed an attempt (%s) without saying its title twice", (action, said, text) => {
    const decision = { action, reason: said, patch: [], wait_s: 0, budget: null };
    const failed = attempt({ error: publicError(), decision });
    expect(followed(failed, false)).toBe(text);
    expect(reason(failed)).not.toContain("GPU memory exhausted");
  });

  it("tells of a next attempt that did not come", () => {
    const decision = { action: "retry", reason: "trying again (1 of 3)", patch: [], wait_s: 0, budget: null };
    expect(followed(attempt({ decision }), true)).toBe("Was to be tried again (1 of 3)");
    expect(followed(attempt({ decision: null }), true)).toBeNull();
  });

  it.each([
    [{ code: null, signal: 9 }, "ended by signal 9, SIGKILL"],
    [{ code: 10, signal: null }, "exit code 10"],
    [null, null],
  ])("reads the end %o as %s", (exit, text) => {
    expect(exitText(exit)).toBe(text);
  });
});

it("writes a failed job down for support: code, trace, attempts, evidence, configuration, log", () => {
  const failed = job({ status: "failed", error: publicError() });
  const log = [
    { kind: "line" as const, text: "CUDA out of memory" },
    { kind: "gap" as const, text: "512" },
  ];
  const text = supportText(
    failed,
    [
      attempt({
        diagnosis: {
          code: "CUDA_OOM",
          confidence: 0.6,
          entity: "cuda:0",
          evidence: ["a `b`"],
          fingerprint: "1:a",
        },
      }),
    ],
    log,
    "0.1.0",
  );
  for (const part of [
    "## J-1: mlp-small on digits",
    "### CUDA_OOM: GPU memory exhausted",
    "Trace id: 4bf92f3577b34da6a3ce929d0e0e4736",
    "### Attempt 1: failed",
    "likely CUDA_OOM (60 %), cuda:0",
    "`a 'b'`",
    '"batch_size": 32',
    "CUDA out of memory",
    "512 bytes missing",
  ])
    expect(text).toContain(part);
});

it("a retry says where it goes on, or which change makes it begin anew", () => {
  const failed = job({ status: "failed", goes_on: { epoch: 7, may_change: ["batch_size"] } });
  expect(goesOnText(failed, ["batch_size"])).toBe("Continues at epoch 8 of 10.");
  expect(goesOnText(failed, ["settings.alpha"])).toBe(
    "Begins anew: settings.alpha changes what was trained.",
  );
  expect(goesOnText(job({ status: "failed", goes_on: null }))).toBeNull();
});

it("what is not charged is said apart from what is", () => {
  expect(chargeText([attempt({ charged: false }), attempt({ charged: true })])).toBe(
    "1:00 of compute time is not charged: the cause lies with the platform or is unknown. 1:00 is charged.",
  );
  expect(chargeText([attempt({ charged: true })])).toContain("1:00 of compute time is charged");
});

it("epochs beyond the last checkpoint are lost", () => {
  const failed = job({ status: "failed", goes_on: { epoch: 2, may_change: [] } });
  expect(lostEpochs(failed, [attempt({ epoch: 3 })])).toBe(1);
});

it.each([
  ["killed_by: timeout", "The platform ended the training: its time limit was reached"],
  ["killed_by: something", "killed_by: something"],
  ["RuntimeError: killed_by: timeout", "RuntimeError: killed_by: timeout"],
])("reads the evidence %s as %s", (line, text) => {
  expect(evidenceText(line)).toBe(text);
});

it.each([
  ["CUDA_OOM", 0.97, "Confidence 97 %"],
  ["CUDA_OOM", 0.6, "Likely: confidence 60 %"],
  ["UNKNOWN_FAILURE", 0.65, "No cause was recognised"],
])("says of %s with %s how sure it is: %s", (code, confidence, text) => {
  expect(certainty({ code, confidence })).toBe(text);
});
