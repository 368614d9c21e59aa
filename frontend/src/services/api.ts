// The way to the backend: every refusal is an ApiError with all that the backend said.

import type {
  Artifact,
  Attempt,
  BulkRetryAnswer,
  BulkRetryRequest,
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
  JobPage,
  JobSummary,
  LogPage,
  PatchStep,
  PublicError,
  Rejudged,
  Rule,
  RuleDraft,
  Session,
  SystemAlerts,
  SystemStatus,
  TrainingConfig,
  Usage,
  Validation,
  Weights,
} from "../generated/api";
import { type ErrorCode, errorCodes } from "../generated/errorCodes";

export class ApiError extends Error {
  type: string;
  severity: string;
  suggestedAction?: string;
  traceId?: string;
  code: ErrorCode;
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
    // The platform sends no code that is not in the registry; one that is newer than this page falls back on its type.
    this.code = response.error.code as ErrorCode;
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

/** The error of a backend that does not answer, in the same form and in the registry's words. */
export function unreachable(): ApiError {
  const code: ErrorCode = "NETWORK_ERROR";
  const { type, severity, title, retryable, message, action } = errorCodes[code];
  const service = "the platform";
  const error: PublicError = {
    type,
    severity,
    message: message.replace("{service}", service),
    suggested_action: action,
    timestamp: new Date().toISOString(),
    trace_id: "",
    code,
    title,
    retryable,
    retry_after: null,
    params: { service },
    errors: [],
    fixes: [],
    doc_url: `/errors/${code}`,
    attempts_url: null,
  };
  return new ApiError({ error });
}

export function isErrorResponse(body: unknown): body is ErrorResponse {
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
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    // Cut off in the middle: the connection's fault, not the page's.
    throw unreachable();
  }
}

export interface Items<T> {
  items: T[];
}

export interface JobQuery {
  status?: string[];
  code?: string;
  dataset_id?: string;
  model?: string;
  q?: string;
  unresolved?: boolean;
  offset?: number;
  limit?: number;
}

type Param = string | number | boolean | undefined;

export function query(params: Record<string, Param | Param[]>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) if (item) found.append(name, String(item));
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

export const jobPath = (id: string) => `/training-jobs/${encodeURIComponent(id)}`;

export const api = {
  session: () => request<Session>("GET", "/session"),
  jobs: (wanted: JobQuery) => request<JobPage>("GET", `/training-jobs${query({ ...wanted })}`),
  jobSummary: (wanted: Pick<JobQuery, "q" | "dataset_id">) =>
    request<JobSummary>("GET", `/training-jobs/summary${query(wanted)}`),
  retryMany: (wanted: Partial<BulkRetryRequest> & { code: string }) =>
    request<BulkRetryAnswer>("POST", "/training-jobs/retry", wanted),
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
  retry: (id: string, body: { fix_id?: string; patch?: PatchStep[]; from_scratch?: boolean }, key?: string) =>
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
  alerts: () => request<SystemAlerts>("GET", "/system/alerts"),
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
  usage: () => request<Usage>("GET", "/system/usage"),
  dependencies: () => request<Items<Dependency>>("GET", "/system/dependencies"),
};
