// What can be said of a job from its fields. Pure.

import type { Job, PatchStep, PrimaryMetric, TrainingConfig } from "../generated/api";
import { duration } from "./format";

export const FINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled"]);
export const STATUSES = [
  "queued",
  "starting",
  "running",
  "waiting",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
] as const;
/** A heartbeat comes every 10 s; two missed ones are worth a word. */
export const SILENT_AFTER_S = 25;

export const isFinal = (job: { status: string }) => FINAL.has(job.status);
const TOLD = new Set(["complete", "refused"]);

/** Whether nothing of the job changes any more by itself: it is over, and so is what MLflow is told of it. */
export const settled = (job: Job) => isFinal(job) && (!job.mlflow || TOLD.has(job.mlflow.state));
export const title = (job: Job) => job.name ?? `${job.model} on ${job.dataset_id}`;

export function silence(status: string, heardAt: string | null, now: number): number | null {
  if (status !== "running" && status !== "starting") return null;
  return heardAt ? Math.round((now - Date.parse(heardAt)) / 1000) : null;
}

/** How much is done, from 0 to 1; null before the first epoch. */
export function share(job: Job): number | null {
  const at = job.progress;
  if (job.status === "succeeded") return 1;
  if (!at?.epoch || !at.epochs) return null;
  const within = at.step && at.steps ? at.step / at.steps : 1;
  return Math.min(1, (at.epoch - 1 + within) / at.epochs);
}

const PHASES: Record<string, string> = {
  starting: "Starting the trainer",
  data: "Reading the data set",
  training: "Training",
  validating: "Validating",
  saving: "Saving the results",
  preflight: "Checking before the start",
};

export function phase(job: Job): string {
  if (job.status === "queued")
    return job.progress?.waiting_for ? `Waits: ${job.progress.waiting_for}` : "Waits for a free agent";
  if (job.status === "starting") return "Handing over to an agent";
  if (job.status === "cancelling") return "Stopping";
  if (job.status === "waiting") return "Waits for the next attempt";
  const name = job.progress?.phase;
  return name ? (PHASES[name] ?? name) : "Starting the trainer";
}

export interface Stage {
  name: string;
  state: "done" | "now" | "todo";
}

const WAY = ["queued", "provisioning", "data", "epoch", "validating", "saving"] as const;

/** Where in `WAY` a job is; a retry that waits stands in the queue again. */
function place(job: Job): number {
  if (job.status === "queued" || job.status === "waiting") return 0;
  if (job.status === "starting") return 1;
  const name = job.progress?.phase;
  if (name === "data" || name === "preflight") return 2;
  if (name === "training") return 3;
  if (name === "validating") return 4;
  return name === "saving" ? 5 : 1;
}

/** The stages of an open job in order, the present one marked; training and validating take turns, epoch by epoch. */
export function stages(job: Job): Stage[] {
  const here = place(job);
  const { epoch, epochs } = job.progress ?? {};
  return WAY.map((name, index) => ({
    name: name === "epoch" && epoch && epochs && here >= 3 ? `epoch ${epoch}/${epochs}` : name,
    state: index < here ? "done" : index === here ? "now" : "todo",
  }));
}

/** How long a running job will still take; said plainly while nobody can know. */
export function etaText(job: Job): string | null {
  if (job.status !== "running") return null;
  const eta = job.progress?.eta_s;
  return eta == null ? "no ETA yet" : `${duration(eta)} left`;
}

export interface Change {
  path: string;
  before: unknown;
  after: unknown;
}

const decode = (part: string) => part.replaceAll("~1", "/").replaceAll("~0", "~");

function at(values: unknown, parts: string[]): unknown {
  let found = values;
  for (const part of parts) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

/** What a patch changes on a configuration, as before and after; steps that change nothing are left out. */
export function changes(config: object, patch: PatchStep[]): Change[] {
  return patch
    .map((step) => {
      const parts = step.path.split("/").slice(1).map(decode);
      const after = step.op === "remove" ? undefined : step.value;
      return { path: parts.join("."), before: at(config, parts), after };
    })
    .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.after));
}

/** A copy of the configuration with the patch applied; `add` and `replace` both set. */
export function patched<T extends object>(config: T, patch: PatchStep[]): T {
  const copy = structuredClone(config) as Record<string, unknown>;
  for (const step of patch) {
    const parts = step.path.split("/").slice(1).map(decode);
    const last = parts.pop();
    if (last === undefined) continue;
    let place = copy;
    for (const part of parts) {
      if (typeof place[part] !== "object" || place[part] === null) place[part] = {};
      place = place[part] as Record<string, unknown>;
    }
    if (step.op === "remove") delete place[last];
    else place[last] = step.value;
  }
  return copy as T;
}

/** The keys in which two configurations differ, nested ones with a dot. */
export function differences(before: object, after: object, prefix = ""): Change[] {
  const found: Change[] = [];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const left = (before as Record<string, unknown>)[key];
    const right = (after as Record<string, unknown>)[key];
    if (isPlain(left) && isPlain(right)) found.push(...differences(left, right, `${prefix}${key}.`));
    else if (JSON.stringify(left) !== JSON.stringify(right))
      found.push({ path: prefix + key, before: left, after: right });
  }
  return found;
}

/** The patch that makes `after` of `before`, key by key; what is left open afterwards is removed. */
export function patchBetween(before: object, after: object): PatchStep[] {
  const old = new Map(Object.entries(before));
  const wanted = new Map(Object.entries(after));
  const set = [...wanted].filter(([key, value]) => JSON.stringify(old.get(key)) !== JSON.stringify(value));
  const open = (value: unknown) => value === null || (isPlain(value) && Object.keys(value).length === 0);
  const gone = [...old].filter(([key, value]) => !wanted.has(key) && value !== false && !open(value));
  return [
    ...set.map(([key, value]): PatchStep => ({ op: "add", path: `/${key}`, value })),
    ...gone.map(([key]): PatchStep => ({ op: "remove", path: `/${key}` })),
  ];
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value of a configuration as a person reads it. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return "not set";
  if (value === true) return "yes";
  if (value === false) return "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function primary(job: Job): PrimaryMetric | null {
  return job.result?.primary ?? null;
}

export type Draft = Partial<TrainingConfig>;
