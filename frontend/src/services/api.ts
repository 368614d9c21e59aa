// The way to the backend: every refusal is an ApiError with all that the backend said.

import type {
  Artifact,
  Attempt,
  Dataset,
  DatasetReport,
  Dependency,
  DryRun,
  EpochFigures,
  ErrorResponse,
  Explanation,
  FieldProblem,
  Fix,
  Framework,
  Job,
  LogPage,
  PatchStep,
  PublicError,
  Rejudged,
  Rule,
  RuleDraft,
  SystemStatus,
  TrainingConfig,
  Validation,
  Weights,
} from "../generated/api";

export class ApiError extends Error {
  type: string;
  severity: string;
  suggestedAction?: string;
  traceId?: string;
  code: string;
  title: string;
  retryable: boolean;
  retryAfter: number | null;
  fixes: Fix[];
  fields: FieldProblem[];
  docUrl: string;
  status: number;
  /** The error as the backend sent it. */
  shown: PublicError;

  constructor(response: ErrorResponse, status = 0) {
    super(response.error.message);
    this.name = "ApiError";
    this.type = response.error.type;
    this.severity = response.error.severity;
    this.suggestedAction = response.error.suggested_action ?? undefined;
    this.traceId = response.error.trace_id;
    this.code = response.error.code;
    this.title = response.error.title ?? response.error.code;
    this.retryable = response.error.retryable;
    this.retryAfter = response.error.retry_after;
    this.fixes = response.error.fixes ?? [];
    this.fields = response.error.errors ?? [];
    this.docUrl = response.error.doc_url;
    this.status = status;
    this.shown = response.error;
  }
}

/** The error of a backend that does not answer, in the same form. */
export function unreachable(): ApiError {
  const error: PublicError = {
    type: "transient",
    severity: "medium",
    message: "The platform does not answer.",
    suggested_action: "Check that it runs (`vtp up`) and that you are online. What you see stays.",
    timestamp: new Date().toISOString(),
    trace_id: "",
    code: "NETWORK_ERROR",
    title: "No connection",
    retryable: true,
    retry_after: null,
    params: {},
    errors: [],
    fixes: [],
    doc_url: "/errors/NETWORK_ERROR",
    attempts_url: null,
  };
  return new ApiError({ error });
}

function isErrorResponse(body: unknown): body is ErrorResponse {
  return typeof body === "object" && body !== null && "error" in body;
}

async function failure(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  if (isErrorResponse(body)) return new ApiError(body, response.status);
  const error = unreachable();
  error.status = response.status;
  return error;
}

export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  headers?: HeadersInit,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw unreachable();
  }
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

interface Items<T> {
  items: T[];
}

export interface JobQuery {
  status?: string[];
  code?: string;
  dataset_id?: string;
  q?: string;
  cursor?: string;
}

function query(params: Record<string, string | string[] | undefined>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) if (item) found.append(name, item);
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

const jobPath = (id: string) => `/training-jobs/${encodeURIComponent(id)}`;

export const api = {
  session: () => request<{ authenticated: boolean; version: string }>("GET", "/session"),
  jobs: (wanted: JobQuery) =>
    request<Items<Job> & { next_cursor: string | null; total: number }>(
      "GET",
      `/training-jobs${query({ ...wanted })}`,
    ),
  job: (id: string) => request<Job>("GET", jobPath(id)),
  attempts: (id: string) => request<Items<Attempt>>("GET", `${jobPath(id)}/attempts`),
  /** Without `ask` no model is asked; words that are kept already come all the same. */
  explanation: (id: string, ask: boolean) =>
    request<Explanation>("GET", `${jobPath(id)}/explanation?ask=${ask}`),
  metrics: (id: string) => request<Items<EpochFigures>>("GET", `${jobPath(id)}/metrics`),
  artifacts: (id: string) => request<Items<Artifact>>("GET", `${jobPath(id)}/artifacts`),
  logs: (id: string, after: number, limit: number) =>
    request<LogPage>("GET", `${jobPath(id)}/logs?after=${after}&limit=${limit}`),
  cancel: (id: string) => request<Job>("POST", `${jobPath(id)}/cancel`),
  runNow: (id: string) => request<Job>("POST", `${jobPath(id)}/run-now`),
  stopRetrying: (id: string) => request<Job>("POST", `${jobPath(id)}/stop-retrying`),
  retry: (id: string, body: { fix_id?: string; patch?: PatchStep[] }, key?: string) =>
    request<{ job_id: string }>(
      "POST",
      `${jobPath(id)}/retry`,
      body,
      key ? { "Idempotency-Key": key } : undefined,
    ),
  submit: (config: Partial<TrainingConfig>, key: string) =>
    request<{ job_id: string }>("POST", "/training-jobs", config, {
      Prefer: "respond-async",
      "Idempotency-Key": key,
    }),
  validate: (config: Partial<TrainingConfig>) =>
    request<Validation>("POST", "/training-jobs/validate", config),
  datasets: () => request<Items<Dataset>>("GET", "/datasets"),
  report: (id: string) => request<DatasetReport>("GET", `/datasets/${encodeURIComponent(id)}/report`),
  addSample: (sample: string) => request<Dataset>("POST", "/datasets/samples", { sample }),
  removeDataset: (id: string) => request<void>("DELETE", `/datasets/${encodeURIComponent(id)}`),
  weights: () => request<Items<Weights>>("GET", "/weights"),
  frameworks: () => request<Items<Framework>>("GET", "/frameworks"),
  system: () => request<SystemStatus>("GET", "/system/status"),
  rules: () => request<Items<Rule>>("GET", "/rules"),
  addRule: (draft: RuleDraft) => request<Rule>("POST", "/rules", draft),
  tryRule: (draft: RuleDraft) => request<DryRun>("POST", "/rules/dry-run", draft),
  removeRule: (id: number) => request<void>("DELETE", `/rules/${id}`),
  diagnoseAgain: (id: string, attempt: number) =>
    request<Rejudged>("POST", `${jobPath(id)}/attempts/${attempt}/diagnose`),
  isolate: (name: string) =>
    request<unknown>("POST", `/system/dependencies/${encodeURIComponent(name)}/isolate`),
  reset: (name: string) => request<unknown>("POST", `/system/dependencies/${encodeURIComponent(name)}/reset`),
  dependencies: () => request<Items<Dependency>>("GET", "/system/dependencies"),
};

/** Sends a file with progress from 0 to 1; fetch cannot tell how much of a body has left. */
function send<T>(path: string, file: Blob, type: string, onProgress: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open("POST", `/api/v1${path}`);
    sender.setRequestHeader("Content-Type", type);
    sender.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sender.onerror = () => reject(unreachable());
    sender.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(sender.responseText);
      } catch {
        reject(unreachable());
        return;
      }
      if (sender.status < 400) resolve(body as T);
      else reject(isErrorResponse(body) ? new ApiError(body, sender.status) : unreachable());
    };
    sender.send(file);
  });
}

export const upload = (name: string, file: Blob, onProgress: (share: number) => void) =>
  send<Dataset>(`/datasets${query({ name })}`, file, "application/zip", onProgress);

export const uploadWeights = (name: string, file: Blob, onProgress: (share: number) => void) =>
  send<Weights>(`/weights${query({ name })}`, file, "application/octet-stream", onProgress);
