// What tests share: whole objects, of which a test names only what it is about.

import type {
  Attempt,
  DatasetReport,
  Dependency,
  GroupDetail,
  Job,
  PublicError,
  Usage,
} from "./generated/api";

export function publicError(some: Partial<PublicError> = {}): PublicError {
  return {
    type: "system_error",
    severity: "high",
    message: "Training failed due to insufficient GPU memory.",
    suggested_action: "Try reducing batch size (currently 32) or use a smaller model.",
    timestamp: "2026-11-23T16:20:31.123Z",
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    code: "CUDA_OOM",
    title: "GPU memory exhausted",
    retryable: false,
    retry_after: null,
    params: {},
    errors: [],
    fixes: [],
    doc_url: "/errors/CUDA_OOM",
    attempts_url: null,
    ...some,
  };
}

export const halveBatch = {
  id: "halve-batch",
  label: "Batch size 32 → 16",
  applicability: "safe" as const,
  patch: [{ op: "add" as const, path: "/batch_size", value: 16 }],
};

export function job(some: Partial<Job> = {}): Job {
  return {
    job_id: "J-1",
    name: null,
    status: "running",
    framework: "sklearn",
    model: "mlp-small",
    task: "classify",
    dataset_id: "digits",
    config: {
      model: "mlp-small",
      dataset_id: "digits",
      framework: "sklearn",
      name: null,
      epochs: 10,
      batch_size: 32,
      accumulate: 1,
      sharing: "file_descriptor",
      image_size: 16,
      lr0: null,
      workers: null,
      seed: 0,
      device: "auto",
      patience: null,
      max_duration_s: null,
      settings: {},
      exclude_invalid_files: false,
      val_fraction: null,
      weights_id: null,
    },
    created_at: "2026-11-23T12:00:00.000Z",
    started_at: "2026-11-23T12:00:01.000Z",
    finished_at: null,
    attempt: 1,
    progress: null,
    result: null,
    error: null,
    retry_at: null,
    heard_at: null,
    retry_of: null,
    retried_as: null,
    retried_status: null,
    begins_at: null,
    created_by: null,
    last_seq: 5,
    signs: [],
    ...some,
  };
}

export function attempt(some: Partial<Attempt> = {}): Attempt {
  return {
    attempt: 1,
    status: "failed",
    agent_id: "agent-1",
    config: job().config,
    epoch: 3,
    created_at: "2026-11-23T12:00:00.000Z",
    started_at: "2026-11-23T12:00:01.000Z",
    finished_at: "2026-11-23T12:01:01.000Z",
    seconds: 60,
    wait_s: null,
    resumed_from: null,
    history: null,
    verdicts: [],
    exit: { code: null, signal: 9 },
    causes: [],
    charged: true,
    error: null,
    diagnosis: {
      code: "CUDA_OOM",
      confidence: 0.95,
      entity: null,
      evidence: ["torch.OutOfMemoryError: CUDA out of memory"],
      fingerprint: "1:0f",
    },
    decision: null,
    ...some,
  };
}

export function report(some: Partial<DatasetReport> = {}): DatasetReport {
  return {
    dataset_id: "digits-broken",
    name: "digits-broken",
    status: "invalid",
    task: "classify",
    format: "imagefolder",
    classes: ["0", "1"],
    counts: { train: 400, val: 224, test: 0 },
    files: 624,
    bytes: 413917,
    problems: [],
    errors: 0,
    warnings: 0,
    excludable: null,
    error: null,
    created_at: "2026-11-23T12:00:00.000Z",
    fixes: [],
    why_not_excludable: null,
    digest: "0",
    all_problems_url: null,
    ...some,
  };
}

export function usage(some: Partial<Usage> = {}): Usage {
  return {
    days: 30,
    by_status: [
      { status: "failed", attempts: 3, seconds: 900 },
      { status: "succeeded", attempts: 5, seconds: 2700 },
    ],
    by_causer: [
      { causer: "user", attempts: 2, seconds: 600 },
      { causer: "platform", attempts: 1, seconds: 300 },
    ],
    by_code: [{ code: "CUDA_OOM", attempts: 3, seconds: 900 }],
    open_jobs: { current: 3, limit: 10_000 },
    stored: { datasets_bytes: 4_100_000_000, files_bytes: 1_200_000_000 },
    ...some,
  };
}

export function dependency(some: Partial<Dependency> = {}): Dependency {
  return {
    name: "temporal",
    title: "Temporal",
    configured: "server",
    reachable: true,
    version: "1.32.0",
    checked_at: "2026-11-23T16:20:31.123Z",
    last_error: null,
    degraded: null,
    switched_off: false,
    asked: 0,
    away: 0,
    attempts: 5,
    first_wait_s: 5,
    longest_wait_s: 60,
    breaker_after: { failures: 5, seconds: 120 },
    give_up: "raises",
    state: "CLOSED",
    failure_count: 0,
    retry_after: null,
    breakers: [],
    ...some,
  };
}

export function group(some: Partial<GroupDetail> = {}): GroupDetail {
  return {
    group_id: 7,
    fingerprint: "v1:7223b09cb012bb06",
    source: "job",
    code: "CUDA_OOM",
    title: "GPU memory exhausted",
    line: "torch.OutOfMemoryError: CUDA out of memory",
    causer: "user",
    severity: "high",
    entity: null,
    state: "open",
    state_at: "2026-11-20T12:00:00.000Z",
    state_by: null,
    note: null,
    first_seen: "2026-11-20T12:00:00.000Z",
    last_seen: "2026-11-23T12:00:00.000Z",
    count: 14,
    jobs: 12,
    users: 3,
    trend: { days: Array(14).fill(1), this_week: 7, last_week: 7, direction: "steady" },
    doc_url: "/errors/CUDA_OOM",
    hours: [],
    days: [],
    affected_jobs: [],
    affected_users: [],
    entities: [],
    fingerprints: [{ fingerprint: "v1:7223b09cb012bb06", since: "2026-11-20T12:00:00.000Z" }],
    history: [],
    fix: null,
    fixes: [],
    occurrences: [],
    ...some,
  };
}
