// The shapes of the REST and WebSocket interface, as backend/app/services/views.py and core/responses.py make them.

export type Severity = "low" | "medium" | "high" | "critical";
export type ErrorKind = "transient" | "permanent" | "user_error" | "system_error";

export interface PatchStep {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

export interface Fix {
  id: string;
  label: string;
  applicability: "safe" | "review" | "manual";
  patch: PatchStep[];
}

export interface FieldProblem {
  pointer: string;
  code: string;
  message: string;
}

export interface PublicError {
  type: ErrorKind;
  severity: Severity;
  message: string;
  suggested_action: string | null;
  timestamp: string;
  trace_id: string;
  code: string;
  title: string;
  retryable: boolean;
  retry_after: number | null;
  params: Record<string, unknown>;
  errors: FieldProblem[];
  fixes: Fix[];
  doc_url: string;
  attempts_url: string | null;
}

export interface ErrorResponse {
  error: PublicError;
}

export type Figure = number | "nan" | "inf" | "-inf";

export interface Progress {
  phase?: string;
  waiting_for?: string;
  epoch?: number;
  epochs?: number;
  step?: number;
  steps?: number;
  losses?: Record<string, Figure>;
  metrics?: Record<string, Figure>;
  lr?: Figure | null;
  images_per_s?: number | null;
  eta_s?: number | null;
  memory?: { rss_bytes?: number | null; gpu_bytes?: number | null };
  at?: string;
}

export type JobStatus =
  | "queued"
  | "starting"
  | "running"
  | "waiting"
  | "cancelling"
  | "succeeded"
  | "failed"
  | "cancelled";

export interface TrainingConfig {
  model: string;
  dataset_id: string;
  framework: string;
  name: string | null;
  epochs: number;
  batch_size: number;
  accumulate?: number;
  val_batch_size?: number | null;
  sharing?: string;
  image_size: number | null;
  lr0: number | null;
  workers: number | null;
  seed: number;
  device: string;
  patience: number | null;
  max_duration_s: number | null;
  settings: Record<string, unknown>;
  exclude_invalid_files: boolean;
  val_fraction: number | null;
  weights_id: string | null;
}

export interface Job {
  job_id: string;
  name: string | null;
  status: JobStatus;
  framework: string;
  model: string;
  task: string | null;
  dataset_id: string;
  config: TrainingConfig;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  attempt: number;
  progress: Progress | null;
  result: {
    metrics: Record<string, Figure>;
    primary: { name: string; value: number } | null;
    epochs: number | null;
    duration_s: number | null;
  } | null;
  error: PublicError | null;
  retry_at: string | null;
  heard_at: string | null;
  retry_of: string | null;
  retried_as: string | null;
  last_seq: number;
}

export interface Verdict {
  /** When a later one took its place. */
  at: string;
  code: string | null;
  confidence: number | null;
  evidence: string[];
  fingerprint: string | null;
}

export interface Attempt {
  attempt: number;
  status: string;
  agent_id: string | null;
  config: TrainingConfig | null;
  epoch: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  seconds: number | null;
  wait_s: number | null;
  resumed_from: { attempt: number; epoch: number } | null;
  exit: { code: number | null; signal: number | null } | null;
  error: PublicError | null;
  diagnosis: { code: string; confidence: number; entity: string | null; evidence: string[] } | null;
  history: {
    same_failure: boolean | null;
    same_entity: boolean | null;
    progress: boolean | null;
    best_epoch: number | null;
  } | null;
  /** What it was diagnosed as before, newest last. */
  verdicts: Verdict[];
  decision: {
    action: string;
    reason: string | null;
    patch: PatchStep[] | null;
    wait_s: number | null;
    budget: string | null;
  } | null;
}

/** Why a job failed, in the catalogue's words or a language model's. */
export interface Explanation {
  job_id: string;
  attempt: number | null;
  code: string;
  confidence: number | null;
  evidence: string[];
  text: string;
  source: "catalogue" | "llm";
  model: string | null;
  reason: "off" | "unasked" | "pending" | "unavailable" | null;
  doc_url: string;
}

export interface EpochFigures {
  attempt: number;
  epoch: number;
  epochs: number;
  losses: Record<string, Figure> | null;
  metrics: Record<string, Figure> | null;
  lr: Figure | null;
  images_per_s: number | null;
  memory: { rss_bytes?: number | null; gpu_bytes?: number | null } | null;
  at: string;
}

export interface Artifact {
  name: string;
  attempt: number;
  bytes: number;
  sha256: string;
  media_type: string;
  role: "weights" | "checkpoint" | "plot" | "samples" | "table" | "log";
  epoch: number | null;
  url: string;
}

export interface Dataset {
  dataset_id: string;
  name: string;
  status: "checking" | "ready" | "invalid" | "failed";
  task: string | null;
  format: string | null;
  classes: string[];
  counts: Partial<Record<"train" | "val" | "test", number>>;
  files: number;
  bytes: number;
  problems: Record<string, number>;
  errors: number;
  warnings: number;
  excludable: number | null;
  error: PublicError | null;
  created_at: string;
}

export interface ProblemGroup {
  problem: string;
  severity: "error" | "warning";
  title: string;
  count: number;
  items: { file: string; line: number | null; detail: string; thumbnail: string | null }[];
}

export interface DatasetReport extends Omit<Dataset, "problems"> {
  problems: ProblemGroup[];
  fixes: Fix[];
  why_not_excludable: string | null;
}

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

export interface Framework {
  framework: string;
  version: string;
  license?: string;
  agents: number;
  tasks: string[];
  settings_schema: { properties?: Record<string, SettingSchema> };
  accepts_weights?: boolean;
  models: { name: string; task: string; family: string; params: number | null }[];
  defaults: Record<string, { epochs: number; batch_size: number; image_size: number }>;
}

export interface Agent {
  agent_id: string;
  name: string;
  alive: boolean;
  busy: number;
  slots: number;
  version: string;
  registered_at: string;
  last_seen_at: string;
  resources: {
    cpus?: number;
    memory_bytes?: number;
    disk_free_bytes?: number;
    gpus?: { name?: string; memory_bytes?: number }[];
    platform?: string;
  };
  frameworks: { framework: string; version: string | null; available: boolean; reason: string | null }[];
}

export interface SystemStatus {
  version: string;
  status: "ok" | "degraded";
  agents: Agent[];
  open_jobs: number;
  disk: { free_bytes: number; total_bytes: number };
}

export interface Dependency {
  name: string;
  title: string;
  attempts: number;
  first_wait_s: number;
  longest_wait_s: number;
  breaker_after: { failures: number; seconds: number } | null;
  give_up: "raises" | "none";
  state: "CLOSED" | "OPEN" | "HALF_OPEN" | "ISOLATED" | null;
  failure_count: number;
  retry_after: number | null;
  breakers: { name: string; state: string; failure_count: number; isolated: boolean }[];
}

export interface RuleDraft {
  label: string;
  pattern: string;
  code: string | null;
  stop: boolean;
  exclude_node: boolean;
}

export interface Rule extends RuleDraft {
  rule_id: number;
  created_by: string;
  created_at: string;
  hits: number;
  last_hit_at: string | null;
  last_hit_job: string | null;
  last_hit_attempt: number | null;
}

export interface DryRun {
  scanned: number;
  unreadable: number;
  hits: { job_id: string; attempt: number; line: number; text: string; code: string | null }[];
}

export interface Rejudged {
  attempt: number;
  changed: boolean;
  code: string;
  confidence: number;
  rules: string[];
}

export interface Weights {
  weights_id: string;
  name: string;
  bytes: number;
  sha256: string;
  created_at: string;
}

export interface Validation {
  valid: boolean;
  errors: PublicError[];
  warnings: PublicError[];
  config: (TrainingConfig & { task: string | null }) | null;
}

interface EventHead {
  seq: number;
  at: string;
  attempt: number;
}

export type JobEvent =
  | { type: "ready"; seq: number }
  | (EventHead & {
      type: "state";
      status: JobStatus;
      reason?: string;
      retry_at?: string;
      code?: string;
      result?: Job["result"];
    })
  | (EventHead & { type: "progress"; epoch_end?: boolean } & Omit<Progress, "at">)
  | (EventHead & { type: "log"; offset: number; text: string; dropped_bytes: number })
  | (EventHead & { type: "error"; fatal: boolean; error: PublicError })
  | (EventHead & { type: "artifact" | "attempt" });

export interface LogPage {
  items: { seq: number; attempt: number; offset: number; text: string; dropped_bytes: number }[];
  next: number | null;
}
