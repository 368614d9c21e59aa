import { describe, expect, it } from "vitest";
import type { Framework } from "../generated/api";
import { job, publicError } from "../test-data";
import {
  BLANK,
  fieldErrors,
  fieldId,
  fieldText,
  fromConfig,
  labelOf,
  modelGroups,
  settingsOf,
  settingValue,
  toConfig,
  withDefaults,
} from "./form";

const framework: Framework = {
  framework: "ultralytics",
  version: "8",
  agents: 1,
  available: true,
  accepts_weights: true,
  tasks: ["detect", "classify"],
  models: [
    { name: "yolo11n", task: "detect", family: "yolo11", params: 2_600_000 },
    { name: "yolo11n-cls", task: "classify", family: "yolo11", params: null },
  ],
  defaults: {
    detect: { epochs: 100, batch_size: 16, image_size: 640 },
    classify: { epochs: 50, batch_size: 32, image_size: 224 },
  },
  settings_schema: {
    properties: {
      fliplr: { type: "number", minimum: 0, maximum: 1 },
      cos_lr: { type: "boolean" },
      auto_augment: { enum: ["randaugment", null] },
    },
  },
};

describe("the form", () => {
  it("sends numbers as numbers, leaves out what is open, and sends as typed what is no number", () => {
    const values = {
      ...BLANK,
      framework: "ultralytics",
      model: "yolo11n",
      dataset_id: "d",
      epochs: " 12 ",
      lr0: "1e-3",
      batch_size: "many",
    };
    expect(toConfig(values, framework)).toEqual({
      framework: "ultralytics",
      model: "yolo11n",
      dataset_id: "d",
      epochs: 12,
      lr0: 0.001,
      batch_size: "many",
    });
  });

  it.each([
    ["fliplr", "0.5", 0.5],
    ["cos_lr", "true", true],
    ["auto_augment", "null", null],
    ["auto_augment", "randaugment", "randaugment"],
    ["unheard_of", "7", 7],
  ])("sends the setting %s=%s as its schema wants it", (name, typed, wanted) => {
    expect(settingValue(typed, settingsOf(framework)[name])).toEqual(wanted);
  });

  it("gives back the configuration that it began with", () => {
    const config = {
      ...job().config,
      accumulate: 2,
      sharing: "file_system" as const,
      framework: "ultralytics",
      settings: { fliplr: 0, cos_lr: false, auto_augment: null },
    };
    const kept = Object.fromEntries(
      Object.entries(config).filter(([, value]) => value !== null && value !== false),
    );
    expect(toConfig(fromConfig(config), framework)).toEqual(kept);
  });

  it("puts every message to its field, each once, also in settings", () => {
    const wrong = [
      { pointer: "#/epochs", code: "a", message: "must be at least 1" },
      { pointer: "#/settings/hiden", code: "b", message: "unknown setting `hiden`; did you mean `hidden`?" },
    ];
    expect(fieldErrors([publicError({ errors: wrong }), publicError({ errors: wrong })])).toEqual({
      epochs: ["must be at least 1"],
      "settings/hiden": ["unknown setting `hiden`; did you mean `hidden`?"],
    });
  });

  it("makes ids that a label can name of any pointer", () => {
    expect(fieldId("settings/a b.c")).toBe("field-settings-a-b-c");
  });

  it("takes the values of the model's task, but not over what was typed", () => {
    const values = { ...BLANK, model: "yolo11n-cls", epochs: "7" };
    expect(withDefaults(values, framework, new Set(["epochs"]))).toMatchObject({
      epochs: "7",
      batch_size: "32",
      image_size: "224",
    });
  });

  it("lists models that fit the data set first", () => {
    expect(modelGroups(framework, "classify").map((group) => group.label)).toEqual([
      "yolo11, classify",
      "yolo11, detect",
    ]);
  });
});

it.each([
  ["batch_size", "Batch size"],
  ["lr0", "Learning rate"],
  ["dataset_id", "Data set"],
  ["settings/images_per_s_limit", "images_per_s_limit"],
])("calls the place %s by the name of its field, %s", (place, label) => {
  expect(labelOf(place)).toBe(label);
});

it.each([
  ["input should be greater than or equal to 1", "should be at least 1"],
  ["7 is greater than the maximum of 1", "7 is greater than the maximum of 1"],
])("says %s at the field as %s", (message, text) => {
  expect(fieldText({ message })).toBe(text);
});
