// The form of a new training: what is typed, what is sent, where an error belongs. Pure.

import type { FieldProblem, Fix, Framework, PublicError, TrainingConfig } from "../generated/api";
import { type ErrorCode, isErrorCode } from "../generated/errorCodes";

/** What a setting may be, as JSON Schema tells it. */
export interface SettingSchema {
  type?: string | string[];
  enum?: (string | number | boolean | null)[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  default?: unknown;
  description?: string;
}

export function settingsOf(framework: Framework | undefined): Record<string, SettingSchema> {
  return (framework?.settings_schema.properties ?? {}) as Record<string, SettingSchema>;
}

/** Everything as it was typed; a number that is none is sent as typed, so that one place judges it. */
export interface FormValues {
  framework: string;
  model: string;
  dataset_id: string;
  name: string;
  epochs: string;
  batch_size: string;
  image_size: string;
  lr0: string;
  workers: string;
  seed: string;
  device: string;
  patience: string;
  max_duration_s: string;
  val_fraction: string;
  weights_id: string;
  accumulate: string;
  val_batch_size: string;
  exclude_invalid_files: boolean;
  settings: Record<string, string>;
  /** What a configuration has beside these, sent on as it is. */
  rest: Record<string, unknown>;
}

export type TextField = Exclude<keyof FormValues, "exclude_invalid_files" | "settings" | "rest">;

export const BLANK: FormValues = {
  framework: "",
  model: "",
  dataset_id: "",
  name: "",
  epochs: "",
  batch_size: "",
  image_size: "",
  lr0: "",
  workers: "",
  seed: "",
  device: "",
  patience: "",
  max_duration_s: "",
  val_fraction: "",
  weights_id: "",
  accumulate: "",
  val_batch_size: "",
  exclude_invalid_files: false,
  settings: {},
  rest: {},
};

const NUMBERS = [
  "epochs",
  "batch_size",
  "accumulate",
  "val_batch_size",
  "image_size",
  "lr0",
  "workers",
  "seed",
  "patience",
  "max_duration_s",
  "val_fraction",
] as const;
const TEXTS = ["framework", "model", "dataset_id", "name", "device", "weights_id"] as const;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberOrText(typed: string): number | string {
  const text = typed.trim();
  return NUMBER.test(text) ? Number(text) : text;
}

const types = (schema: SettingSchema | undefined) => [schema?.type ?? []].flat();

/** A setting as its schema wants it. */
export function settingValue(typed: string, schema: SettingSchema | undefined): unknown {
  if (schema?.enum) {
    const found = schema.enum.find((item) => String(item) === typed);
    return found === undefined ? typed : found;
  }
  const wanted = types(schema);
  if (wanted.includes("boolean")) return typed === "true" ? true : typed === "false" ? false : typed;
  if (wanted.includes("string")) return typed;
  return numberOrText(typed);
}

/** The body of the request; what was left open is left out, so that the framework's own values count. */
export function toConfig(values: FormValues, framework: Framework | undefined): Partial<TrainingConfig> {
  const config: Record<string, unknown> = { ...values.rest };
  for (const key of TEXTS) if (values[key].trim()) config[key] = values[key].trim();
  for (const key of NUMBERS) if (values[key].trim()) config[key] = numberOrText(values[key]);
  if (values.exclude_invalid_files) config.exclude_invalid_files = true;
  const schemas = settingsOf(framework);
  const settings: Record<string, unknown> = {};
  for (const [name, typed] of Object.entries(values.settings))
    if (typed.trim()) settings[name] = settingValue(typed, schemas[name]);
  if (Object.keys(settings).length) config.settings = settings;
  return config as Partial<TrainingConfig>;
}

const typedOf = (value: unknown) => (value === null || value === undefined ? "" : String(value));

/** A configuration as the form shows it. */
export function fromConfig(config: Partial<TrainingConfig>): FormValues {
  const values: FormValues = { ...BLANK, settings: {}, rest: {} };
  for (const key of [...TEXTS, ...NUMBERS]) values[key] = typedOf(config[key]);
  const shown: ReadonlySet<string> = new Set([...TEXTS, ...NUMBERS, "exclude_invalid_files", "settings"]);
  for (const [key, value] of Object.entries(config))
    if (!shown.has(key) && value !== null) values.rest[key] = value;
  values.exclude_invalid_files = Boolean(config.exclude_invalid_files);
  for (const [name, value] of Object.entries(config.settings ?? {}))
    values.settings[name] = value === null ? "null" : typedOf(value);
  return values;
}

/** The place of an error in the form: `batch_size`, `settings/fliplr`. */
export const placeOf = (field: FieldProblem) => field.pointer.replace(/^#?\//, "");
export const fieldId = (place: string) => `field-${place.replaceAll(/[^\w-]/g, "-")}`;

const LABELS: Record<string, string> = {
  dataset_id: "Data set",
  lr0: "Learning rate",
  val_fraction: "Hold back",
  max_duration_s: "Time limit",
  val_batch_size: "Validation batch",
  workers: "Loader workers",
  weights_id: "Start from weights",
};

/** What is wrong with a field, said at the field: "Batch size: should be at least 1". */
export const fieldText = (field: Pick<FieldProblem, "message">) =>
  field.message
    .replace(/^input should /, "should ")
    .replace("greater than or equal to", "at least")
    .replace("less than or equal to", "at most");

/** What the field of a place is called on the page. */
export function labelOf(place: string): string {
  if (place.startsWith("settings/")) return place.slice("settings/".length);
  const name = LABELS[place] ?? place.replaceAll("_", " ");
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Where a refusal belongs that names no field itself. */
const PLACES: Partial<Record<ErrorCode, string>> = {
  DATASET_NOT_FOUND: "dataset_id",
  DATASET_INVALID_FORMAT: "dataset_id",
  DATASET_BROKEN: "dataset_id",
  DATASET_TOO_LARGE: "dataset_id",
  INVALID_MODEL: "model",
  MODEL_DATA_MISMATCH: "model",
  CUDA_OOM: "batch_size",
  HOST_OOM: "batch_size",
  TRAINER_UNREACHABLE: "framework",
};

/** The places of a refusal with what is wrong there; "" where it is about the form as a whole. */
export function placesOf(error: Pick<PublicError, "code" | "message" | "errors">) {
  if (error.errors.length)
    return error.errors.map((field) => ({ place: placeOf(field), message: fieldText(field) }));
  return [{ place: (isErrorCode(error.code) && PLACES[error.code]) || "", message: error.message }];
}

/** Remedies by place, that one click there applies. */
export function fieldFixes(errors: Pick<PublicError, "code" | "message" | "errors" | "fixes">[]) {
  const found: Record<string, Fix[]> = {};
  for (const error of errors) {
    const appliable = error.fixes.filter((fix) => fix.patch.length > 0);
    for (const place of new Set(placesOf(error).map((item) => item.place)))
      if (place && appliable.length) found[place] = [...(found[place] ?? []), ...appliable];
  }
  return found;
}

export type FieldErrors = Record<string, string[]>;

/** Messages by place, each once. */
export function fieldErrors(errors: Pick<PublicError, "code" | "message" | "errors">[]): FieldErrors {
  const found: FieldErrors = {};
  for (const error of errors) {
    for (const { place, message } of placesOf(error)) {
      const known = found[place] ?? [];
      if (place && !known.includes(message)) found[place] = [...known, message];
    }
  }
  return found;
}

/** The values of a model's task where the user has not typed others. */
export function withDefaults(
  values: FormValues,
  framework: Framework | undefined,
  touched: ReadonlySet<string>,
): FormValues {
  const task = framework?.models.find((model) => model.name === values.model)?.task;
  const defaults = task ? framework?.defaults[task] : undefined;
  if (!defaults) return values;
  const next = { ...values };
  for (const key of ["epochs", "batch_size", "image_size"] as const)
    if (!touched.has(key)) next[key] = String(defaults[key] ?? "");
  return next;
}

export interface ModelGroup {
  label: string;
  models: Framework["models"];
}

/** Models by family and task, those that fit the data set first. */
export function modelGroups(framework: Framework | undefined, task: string | null): ModelGroup[] {
  const groups = new Map<string, Framework["models"]>();
  for (const model of framework?.models ?? []) {
    const label = `${model.family}, ${model.task}`;
    groups.set(label, [...(groups.get(label) ?? []), model]);
  }
  const fits = (group: ModelGroup) => Number(task !== null && group.models[0]?.task !== task);
  return [...groups].map(([label, models]) => ({ label, models })).sort((a, b) => fits(a) - fits(b));
}

export function modelText(model: Framework["models"][number]): string {
  if (!model.params) return model.name;
  const millions = model.params / 1e6;
  return `${model.name} (${millions >= 10 ? Math.round(millions) : millions.toFixed(1)} M parameters)`;
}
