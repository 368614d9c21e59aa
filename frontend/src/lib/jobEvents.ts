// What an event makes of a job and of its curves. Pure: the same events in the same order give the same picture.

import type { EpochFigures, Job, JobEvent, Progress } from "../generated/api";
import { FINAL } from "./job";

type ProgressEvent = Extract<JobEvent, { type: "progress" }>;
type StateEvent = Extract<JobEvent, { type: "state" }>;

const CARRIED = [
  "epoch",
  "epochs",
  "step",
  "steps",
  "losses",
  "lr",
  "images_per_s",
  "eta_s",
  "memory",
  "disk",
] as const;

function afterState(job: Job, event: StateEvent): Job {
  const final = FINAL.has(event.status);
  return {
    ...job,
    status: event.status,
    attempt: Math.max(job.attempt, event.attempt),
    started_at: job.started_at ?? (event.status === "running" ? event.at : null),
    finished_at: final ? event.at : job.finished_at,
    retry_at: event.status === "waiting" ? (event.retry_at ?? null) : null,
    result: event.result ?? job.result,
  };
}

function afterProgress(job: Job, event: ProgressEvent): Job {
  const progress: Progress = { ...job.progress, at: event.at };
  if (event.phase !== undefined) progress.phase = event.phase;
  for (const key of CARRIED) if (event[key] !== undefined) Object.assign(progress, { [key]: event[key] });
  if (event.metrics && Object.keys(event.metrics).length > 0) progress.metrics = event.metrics;
  return { ...job, progress, attempt: Math.max(job.attempt, event.attempt) };
}

/** The job after an event; one that is already in it changes nothing. */
export function reduceJob(job: Job, event: JobEvent): Job {
  if (event.type === "ready" || event.seq <= job.last_seq) return job;
  const next = {
    ...job,
    last_seq: event.seq,
    heard_at: event.at ? laterOf(job.heard_at, event.at) : job.heard_at,
  };
  if (event.type === "state") return afterState(next, event);
  if (event.type === "progress") return afterProgress(next, event);
  if (event.type === "error" && event.fatal) return { ...next, error: event.error };
  return next;
}

function laterOf(before: string | null, at: string): string {
  return before !== null && Date.parse(before) > Date.parse(at) ? before : at;
}

/** The epochs after an event: one more where it ended an epoch; the same epoch of the same attempt only once. */
export function reduceEpochs(epochs: EpochFigures[], event: JobEvent): EpochFigures[] {
  if (event.type !== "progress" || !event.epoch_end || event.epoch == null) return epochs;
  const { attempt, epoch, at } = event;
  if (epochs.some((known) => known.attempt === attempt && known.epoch === epoch)) return epochs;
  const figures: EpochFigures = {
    attempt,
    epoch,
    at,
    epochs: event.epochs ?? epoch,
    losses: event.losses ?? null,
    metrics: event.metrics ?? null,
    lr: event.lr ?? null,
    images_per_s: event.images_per_s ?? null,
    memory: event.memory ?? null,
    disk: event.disk ?? null,
  };
  return [...epochs, figures];
}

/** What has to be fetched again because of these events: attempts and files are not told in full. */
export function stale(events: JobEvent[]) {
  const some = (...types: JobEvent["type"][]) => events.some((event) => types.includes(event.type));
  return {
    attempts: some("state", "error", "attempt"),
    artifacts: some("artifact"),
    job: some("state"),
    /** Early signs are judged by the platform, from the figures of epochs. */
    signs: events.some((event) => event.type === "progress" && event.epoch_end),
  };
}
