import { describe, expect, it } from "vitest";
import type { Job } from "../generated/api";
import { job } from "../test-data";
import {
  changes,
  differences,
  etaText,
  patchBetween,
  patched,
  settled,
  share,
  silence,
  stages,
  valueText,
} from "./job";

const { config } = job();

describe("changes of a configuration", () => {
  it("names what a patch changes, before and after, and nothing that stays", () => {
    const patch = [
      { op: "add" as const, path: "/batch_size", value: 16 },
      { op: "replace" as const, path: "/epochs", value: 10 },
      { op: "add" as const, path: "/settings/mixup", value: 0.1 },
    ];
    expect(changes(config, patch)).toEqual([
      { path: "batch_size", before: 32, after: 16 },
      { path: "settings.mixup", before: undefined, after: 0.1 },
    ]);
    expect(patched(config, patch)).toMatchObject({ batch_size: 16, settings: { mixup: 0.1 } });
    expect(config.settings).toEqual({});
  });

  it("reads escaped pointers", () => {
    expect(patched({ settings: {} }, [{ op: "add", path: "/settings/a~1b~0c", value: 1 }])).toEqual({
      settings: { "a/b~c": 1 },
    });
  });

  it("makes a patch of two configurations that turns one into the other", () => {
    const before = { ...config, weights_id: "bad", exclude_invalid_files: true };
    const after = {
      model: "mlp-small",
      dataset_id: "digits",
      framework: "sklearn",
      epochs: 20,
      batch_size: 32,
      accumulate: 1,
      sharing: "file_descriptor",
      image_size: 16,
      seed: 0,
      device: "auto",
    };
    const patch = patchBetween(before, after);
    expect(patch).toEqual([
      { op: "add", path: "/epochs", value: 20 },
      { op: "remove", path: "/exclude_invalid_files" },
      { op: "remove", path: "/weights_id" },
    ]);
    expect(patched(before, patch)).toMatchObject(after);
  });

  it("compares nested settings key by key", () => {
    const after = { ...config, settings: { mosaic: 0 }, lr0: 0.001 };
    expect(differences(config, after).map((change) => change.path)).toEqual(["lr0", "settings.mosaic"]);
  });

  it.each([
    [null, "not set"],
    [undefined, "not set"],
    [true, "yes"],
    [0, "0"],
  ])("reads %s as %s", (value, text) => {
    expect(valueText(value)).toBe(text);
  });
});

describe("how a job stands", () => {
  it("knows how much is done within an epoch", () => {
    expect(share(job({ progress: { epoch: 3, epochs: 10, step: 1, steps: 2 } }))).toBe(0.25);
    expect(share(job())).toBeNull();
    expect(share(job({ status: "succeeded" }))).toBe(1);
  });

  it("calls only an open job silent", () => {
    const heard = "2026-11-23T12:00:00.000Z";
    const later = Date.parse(heard) + 42_000;
    expect(silence("running", heard, later)).toBe(42);
    expect(silence("failed", heard, later)).toBeNull();
    expect(silence("running", null, later)).toBeNull();
  });
});

it("the stages of a job are the same from queue to saving, with the epoch in the present one", () => {
  const running = job({ progress: { phase: "training", epoch: 3, epochs: 10 } as Job["progress"] });
  expect(stages(running).map((stage) => `${stage.name} ${stage.state}`)).toEqual([
    "queued done",
    "provisioning done",
    "data done",
    "epoch 3/10 now",
    "validating todo",
    "saving todo",
  ]);
  expect(stages(job({ status: "waiting" }))[0]?.state).toBe("now");
});

it("an ETA is not made up", () => {
  expect(etaText(job({ progress: { eta_s: null } as Job["progress"] }))).toBe("no ETA yet");
  expect(etaText(job({ progress: { eta_s: 90 } as Job["progress"] }))).toBe("1:30 left");
  expect(etaText(job({ status: "failed" }))).toBeNull();
});

describe("a job that is looked at again", () => {
  const told = { url: null, waiting: 0, gap: null, given_up: 0, reason: null };

  it.each([
    ["running", undefined, false],
    ["succeeded", undefined, true],
    ["succeeded", "following", false],
    ["failed", "behind", false],
    ["succeeded", "complete", true],
    ["cancelled", "refused", true],
  ] as const)("%s and told as %s: settled is %s", (status, state, expected) => {
    expect(settled(job({ status, mlflow: state && { ...told, state } }))).toBe(expected);
  });
});
