// Made by `make generate` from the interface's description (backend/app/schemas). Do not edit.

/** A job, user or entity that was hit. */
export interface AffectedView {
  name: string;
  count: number;
  first_at: string;
  last_at: string;
}

/** Something that went wrong in an agent itself; `frames` of it, outermost first: file, line, function, code. */
export interface AgentProblem {
  type: string;
  message: string;
  module?: string | null;
  job_id?: string | null;
  attempt?: number | null;
  frames?: (Record<string, unknown>)[];
}

/** Registration and heartbeat of an agent. */
export interface AgentReport {
  name: string;
  url: string;
  slots: number;
  frameworks?: (Record<string, unknown>)[];
  resources?: Record<string, unknown>;
  version: string;
  attempts?: (HeldAttempt)[];
  problems?: (AgentProblem)[];
}

/** A training machine's agent. */
export interface AgentView {
  agent_id: string;
  name: string;
  url: string;
  slots: number;
  busy: number;
  alive: boolean;
  version: string;
  resources: Resources;
  frameworks: (FrameworkOffer)[];
  registered_at: string;
  last_seen_at: string;
  /** Whether it is given trainings */
  state: "ready" | "drained" | "excluded" | "silent";
  drained_at?: string | null;
  excluded_until?: string | null;
  /** What failed on it more than elsewhere */
  excluded_reason?: string | null;
}

/** All agents. */
export interface Agents {
  items: (AgentView)[];
}

/** A file has come. */
export interface ArtifactEvent {
  seq: number;
  at: string;
  attempt: number;
  type: "artifact";
  name: string;
  bytes: number;
  sha256: string;
  media_type: string;
  role: string;
  epoch: number | null;
}

/** A file that was uploaded before this note. */
export interface ArtifactNote {
  name: string;
  bytes: number;
  sha256: string;
  media_type: string;
  role: "weights" | "checkpoint" | "plot" | "samples" | "table" | "log";
  epoch?: number | null;
}

/** A file of a job. */
export interface ArtifactView {
  name: string;
  attempt: number;
  bytes: number;
  sha256: string;
  media_type: string;
  role: "weights" | "checkpoint" | "plot" | "samples" | "table" | "log";
  epoch: number | null;
  url: string;
}

/** The newest version of every file of a job. */
export interface Artifacts {
  items: (ArtifactView)[];
}

/** Another attempt is made. */
export interface AttemptEvent {
  seq: number;
  at: string;
  attempt: number;
  type: "attempt";
  number: number;
  agent_id: string;
}

/** One attempt of a job. */
export interface AttemptView {
  attempt: number;
  status: string;
  agent_id: string | null;
  config: TrainingConfig;
  epoch: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** How long it ran */
  seconds: number | null;
  wait_s: number | null;
  resumed_from: ResumedFrom | null;
  exit: Exit | null;
  /** The chain of exceptions, the root first */
  causes: (Cause)[];
  /** Whether its time counts against the user; null before it has ended */
  charged: boolean | null;
  error: PublicError | null;
  diagnosis: ShownDiagnosis | null;
  history: ShownHistory | null;
  /** What it was diagnosed as before, newest last */
  verdicts: (Verdict)[];
  decision: ShownDecision | null;
}

/** All attempts of a job, oldest first. */
export interface Attempts {
  items: (AttemptView)[];
}

/** A circuit breaker of this process. */
export interface Breaker {
  name: string;
  state: "CLOSED" | "OPEN" | "HALF_OPEN";
  failure_count: number;
  failure_threshold: number;
  /** Seconds until a probe may pass; null: only a person closes it */
  retry_after: number | null;
  isolated: boolean;
}

/** When a breaker opens and for how long. */
export interface BreakerPolicy {
  failures: number;
  seconds: number;
}

/** The circuit breakers that were acted on. */
export interface Breakers {
  items: (Breaker)[];
}

/** Occurrences of an hour or a day that begins at `at`. */
export interface Bucket {
  at: string;
  count: number;
}

/** What became of each. */
export interface BulkRetryAnswer {
  retried: (Retried)[];
  refused: (Refused)[];
  /** Jobs that were not got to: ask again */
  left: number;
}

/** Which failed jobs to try again; those that were tried again already are left alone. */
export interface BulkRetryRequest {
  code: string;
  dataset_id?: string | null;
  model?: string | null;
  q?: string | null;
  /** `safe` changes each as the first safe fix that it offers says; null leaves it as it is */
  apply?: "safe" | null;
}

/** A file of a support bundle. */
export interface BundlePart {
  name: string;
  bytes: number;
  text: string;
}

/** What a support bundle would hold: everything in it has been freed of secrets. */
export interface BundlePreview {
  job_id: string;
  filename: string;
  /** Markdown */
  summary: string;
  files: (BundlePart)[];
  /** Places at which something was taken out */
  redactions: number;
}

/** How far an attempt's updates are stored. */
export interface CallbackAnswer {
  accepted: number;
  last_seq: number;
  /** The attempt has ended; nothing more is wanted */
  final: boolean;
}

/** One exception of those that led to a failure. */
export interface Cause {
  text: string;
  /** File, line and function that raised it */
  at: string | null;
  code_line: string | null;
  /** The process of several that it is of */
  rank: number | null;
}

/** A row of the registry of codes. */
export interface Code {
  code: string;
  type: string;
  severity: string;
  /** Whose fault: user, data, platform, hardware, dependency, unknown */
  causer: string;
  /** What follows a failed attempt: fail, retry, elsewhere, repair, none */
  reaction: string;
  budget: string | null;
  /** Null: only ends trainings */
  http: number | null;
  title: string;
  message: string;
  action: string;
  /** Where a value that the message shows is missing */
  neutral_message: string | null;
  neutral_action: string | null;
  /** The only details that leave the platform */
  params: (string)[];
  /** Ids of the remedies that may be offered; * stands for a name */
  fixes: (string)[];
  /** Name of the page for whoever is paged, below /runbooks/ */
  runbook: string | null;
  wait_helps: boolean;
  retryable: boolean;
  doc_url: string;
}

/** Failed jobs with one code. */
export interface CodeGroupView {
  code: string;
  count: number;
  /** Those that were not tried again */
  unresolved: number;
}

/** All codes. */
export interface Codes {
  items: (Code)[];
}

/** All data sets, newest first. */
export interface DatasetList {
  items: (DatasetView)[];
}

/** Everything that was found in a data set. */
export interface DatasetReport {
  dataset_id: string;
  name: string;
  status: "checking" | "ready" | "invalid" | "failed";
  task: string | null;
  format: string | null;
  classes: (string)[];
  /** Images by split */
  counts: Record<string, number>;
  files: number;
  bytes: number;
  errors: number;
  warnings: number;
  /** Images that training can do without; null: it cannot */
  excludable: number | null;
  /** Of all files together */
  digest: string | null;
  error: PublicError | null;
  created_at: string;
  problems: (ProblemGroup)[];
  fixes: (OfferedFix)[];
  why_not_excludable: string | null;
  /** Every problem, one a line */
  all_problems_url: string | null;
}

/** A data set; `problems` counts them by kind. */
export interface DatasetView {
  dataset_id: string;
  name: string;
  status: "checking" | "ready" | "invalid" | "failed";
  task: string | null;
  format: string | null;
  classes: (string)[];
  /** Images by split */
  counts: Record<string, number>;
  files: number;
  bytes: number;
  errors: number;
  warnings: number;
  /** Images that training can do without; null: it cannot */
  excludable: number | null;
  /** Of all files together */
  digest: string | null;
  error: PublicError | null;
  created_at: string;
  problems: Record<string, number>;
}

/** A part of the platform that does not do all it should, and what that means for users. */
export interface DegradedPart {
  /** `agents`, `disk`, or an integration */
  name: string;
  what: string;
  means: string;
}

/** All integrations. */
export interface Dependencies {
  items: (Dependency)[];
}

/** An integration: whether it is there, how calls to it are protected, and how it does; `state` is the worst of its breakers. */
export interface Dependency {
  name: string;
  title: string;
  /** What it is, such as `postgresql` or `s3`; null: not set up */
  configured: string | null;
  /** As it was found a few seconds ago; null: not asked, or not answered yet */
  reachable: boolean | null;
  /** What it last told; null where it tells none */
  version: string | null;
  checked_at: string | null;
  last_error: LastError | null;
  /** What its state means for users now; null: nothing */
  degraded: string | null;
  /** By a person, as a whole */
  switched_off: boolean;
  /** Machines that were asked, where it consists of several */
  asked: number;
  /** Those of them that do not answer, or are not called now */
  away: number;
  /** Null: its own library looks after its calls */
  attempts: number | null;
  first_wait_s: number | null;
  longest_wait_s: number | null;
  breaker_after: BreakerPolicy | null;
  give_up: "raises" | "none";
  /** Null: no call was made yet, or it has no breaker */
  state: "CLOSED" | "OPEN" | "HALF_OPEN" | "ISOLATED" | null;
  failure_count: number;
  retry_after: number | null;
  breakers: (Breaker)[];
}

/** What a training will take on a kind of device, and what that has. */
export interface DeviceMemory {
  device: string;
  /** Expected where it was measured; the least where it was computed */
  needed_bytes: number;
  room_bytes: number | null;
  verdict: "fits" | "tight" | "too_much" | "unknown";
  basis: "measured" | "computed";
  /** The job that it was measured on */
  job_id: string | null;
  job_batch_size: number | null;
}

/** What a week was like. */
export interface Digest {
  since: string;
  until: string;
  total: number;
  /** In the week before */
  before: number;
  by_causer: Record<string, number>;
  by_source: Record<string, number>;
  /** The 10 most frequent */
  by_code: Record<string, number>;
  new: (DigestGroup)[];
  regressed: (DigestGroup)[];
  resolved: number;
  top: (DigestGroup)[];
  failed_jobs: number;
  /** The same as Markdown, to send around */
  text: string;
}

/** A group in a digest. */
export interface DigestGroup {
  group_id: number;
  code: string;
  line: string;
  state: "open" | "resolved" | "ignored" | "regressed";
  source: "job" | "api" | "page";
  causer: string;
  /** In the week */
  count: number;
  /** In the week before */
  before: number;
}

/** The disk that holds the platform's data. */
export interface Disk {
  free_bytes: number;
  total_bytes: number;
}

/** How an agent is drained. */
export interface Drain {
  /** Stop what runs there, so that it goes on elsewhere */
  stop: boolean;
}

/** What a rule would have hit among the newest stored failures; `unreadable` counts those whose log is gone. */
export interface DryRun {
  scanned: number;
  hits: (DryRunHit)[];
  unreadable: number;
}

/** A stored failure that a rule would have hit; `line` 0 is outside of the log. */
export interface DryRunHit {
  job_id: string;
  attempt: number;
  line: number;
  text: string;
  /** The code that it has now */
  code: string | null;
}

/** Something that an open training may come to grief of. */
export interface EarlySignView {
  kind: string;
  /** The failure that it may end in; null where it is none */
  code: string | null;
  message: string;
  advice: string;
  since_epoch: number | null;
}

/** A configuration as it would run, and the task of its model. */
export interface EffectiveConfig {
  /** Architecture, as listed under /api/v1/frameworks */
  model: string;
  dataset_id: string;
  framework: string;
  /** A label of your own */
  name?: string | null;
  epochs: number;
  /** Images that are in memory at once */
  batch_size: number;
  /** Pieces of a step: batch_size x accumulate is the effective batch, whose gradients are gathered */
  accumulate: number;
  /** Images in a validation step; null takes twice the batch size */
  val_batch_size?: number | null;
  /** Edge in pixels; null takes the framework's value for the task */
  image_size?: number | null;
  /** First learning rate; null takes the framework's */
  lr0?: number | null;
  /** Processes that load images */
  workers?: number | null;
  /** How loader processes hand images over: in shared memory, or in files */
  sharing: "file_descriptor" | "file_system";
  seed: number;
  /** auto, cpu, or GPU numbers such as 0 or 0,1 */
  device: string;
  /** Epochs without progress before stopping early */
  patience?: number | null;
  /** Time limit in seconds */
  max_duration_s?: number | null;
  /** Further settings of the framework, by its names */
  settings?: Record<string, unknown>;
  /** Train without the files the report found broken */
  exclude_invalid_files: boolean;
  /** Share of the training images held back where there is no validation set */
  val_fraction?: number | null;
  /** Uploaded weights to start from */
  weights_id?: string | null;
  /** What a machine must have; null takes any with the framework */
  needs?: Needs | null;
  task: string | null;
}

/** The figures of one epoch. */
export interface EpochView {
  attempt: number;
  at: string;
  epoch: number;
  epochs: number | null;
  losses: Record<string, number | "nan" | "inf" | "-inf"> | null;
  metrics: Record<string, number | "nan" | "inf" | "-inf"> | null;
  lr: number | "nan" | "inf" | "-inf" | null;
  images_per_s: number | null;
  memory: Record<string, number | null> | null;
  disk: Record<string, number | null> | null;
}

/** The figures of every finished epoch. */
export interface Epochs {
  items: (EpochView)[];
}

/** The body of every error answer, as ``application/json``. */
export interface ErrorBody {
  error: PublicError;
}

/** An attempt has failed; `fatal` where the job has, or where the connection ends. */
export interface ErrorEvent {
  type: "error";
  seq: number;
  at?: string | null;
  attempt?: number | null;
  fatal: boolean;
  error: PublicError;
}

/** How the training process ended. */
export interface Exit {
  code: number | null;
  signal: number | null;
}

/** Why a job failed: the deterministic verdict, and its text in the catalogue's words or a language model's. */
export interface Explanation {
  job_id: string;
  /** The attempt that failed; null where the job failed before it had one */
  attempt: number | null;
  code: string;
  confidence: number | null;
  /** Lines that decided, without secrets and internals */
  evidence: (string)[];
  /** Plain text */
  text: string;
  source: "catalogue" | "llm";
  /** The language model, where its words are shown */
  model: string | null;
  /** Why it is the catalogue's text: no model is set up, it was not to be asked, is still being asked, did not answer, or has been asked as often as it may be on one day */
  reason: "off" | "unasked" | "pending" | "unavailable" | "budget" | null;
  doc_url: string;
}

/** What people said of a code. */
export interface FeedbackCount {
  code: string;
  helped: number;
  did_not: number;
}

/** What people said, by code, the least helpful first. */
export interface FeedbackCounts {
  items: (FeedbackCount)[];
}

/** Did it help? */
export interface FeedbackRequest {
  helped: boolean;
}

/** What the caller said of a job. */
export interface FeedbackView {
  job_id: string;
  /** The job's failure code */
  code: string | null;
  /** null where nothing was said of this code */
  helped: boolean | null;
}

/** One wrong field of the request. */
export interface FieldProblem {
  /** JSON pointer into the body, or the name of a parameter, as a URI fragment */
  pointer: string;
  code: string;
  message: string;
}

/** What can be trained with a framework: models, tasks, defaults, and the schema of its own settings. */
export interface Framework {
  framework: string;
  version?: string | null;
  license?: string | null;
  available: boolean;
  /** Why it is not available */
  reason?: string | null;
  /** Whether a training may start from uploaded weights */
  accepts_weights: boolean;
  tasks: (string)[];
  models: (ModelView)[];
  defaults: Record<string, TaskDefaults>;
  settings_schema: Record<string, unknown>;
  /** Living agents that offer it */
  agents: number;
}

/** A framework as an agent offers it. */
export interface FrameworkOffer {
  framework: string;
  version: string | null;
  available: boolean | null;
  /** Why it is not available */
  reason: string | null;
}

/** All frameworks. */
export interface Frameworks {
  items: (Framework)[];
}

/** The checkpoint with which a job begins that tries this one again. */
export interface GoesOn {
  /** Epochs that are done in it */
  epoch: number;
  /** Settings that may change; with any other it begins anew */
  may_change: (string)[];
}

/** A GPU as its driver names it. */
export interface Gpu {
  name?: string | null;
  memory_bytes?: number | null;
}

/** One group with everything that is known of it. */
export interface GroupDetail {
  group_id: number;
  fingerprint: string;
  source: "job" | "api" | "page";
  code: string;
  /** The code's title */
  title: string;
  /** The deciding line of the first one, or what was refused */
  line: string;
  causer: string;
  severity: string;
  /** File, layer, device … or route that the newest one named */
  entity: string | null;
  state: "open" | "resolved" | "ignored" | "regressed";
  state_at: string;
  state_by: string | null;
  note: string | null;
  first_seen: string;
  last_seen: string;
  count: number;
  /** Different jobs; null where it is not the caller's to know */
  jobs: number | null;
  users: number | null;
  trend: Trend;
  doc_url: string;
  /** The last 48 hours; only for operators, others see an empty list */
  hours: (Bucket)[];
  /** The last 30 days, those without one left out */
  days: (Bucket)[];
  /** The newest 10 */
  affected_jobs: (AffectedView)[];
  /** The newest 10; only for operators */
  affected_users: (AffectedView)[];
  /** The newest 10; only for operators */
  entities: (AffectedView)[];
  fingerprints: (KnownFingerprint)[];
  /** The newest 10 changes of its state */
  history: (PastState)[];
  /** What helped most often */
  fix: PastFix | null;
  fixes: (PastFix)[];
  /** The newest 10 */
  occurrences: (OccurrenceView)[];
}

/** Some groups. */
export interface GroupPage {
  items: (GroupView)[];
  next_cursor: string | null;
}

/** Failures of one kind. Where the caller is no operator: what of them is the caller's. */
export interface GroupView {
  group_id: number;
  fingerprint: string;
  source: "job" | "api" | "page";
  code: string;
  /** The code's title */
  title: string;
  /** The deciding line of the first one, or what was refused */
  line: string;
  causer: string;
  severity: string;
  /** File, layer, device … or route that the newest one named */
  entity: string | null;
  state: "open" | "resolved" | "ignored" | "regressed";
  state_at: string;
  state_by: string | null;
  note: string | null;
  first_seen: string;
  last_seen: string;
  count: number;
  /** Different jobs; null where it is not the caller's to know */
  jobs: number | null;
  users: number | null;
  trend: Trend;
  doc_url: string;
}

/** Whether the backend lives, can serve, or can serve with less. */
export interface Health {
  status: "live" | "ready" | "degraded";
  /** Names of the parts that are not as they should be */
  degraded: (string)[];
}

/** An alert that an Alertmanager holds. */
export interface HeldAlert {
  name: string;
  severity: string | null;
  owner: string | null;
  summary: string | null;
  description: string | null;
  /** As Alertmanager tells it */
  since: string | null;
  state: "firing" | "silenced" | "inhibited";
  runbook: string | null;
  labels: Record<string, string>;
}

/** What an Alertmanager says; nothing where it is away. */
export interface HeldAlerts {
  reachable: boolean;
  /** Why it could not be asked */
  reason: string | null;
  total: number;
  /** The newest 100 */
  items: (HeldAlert)[];
}

/** An attempt that an agent still supervises. */
export interface HeldAttempt {
  job_id: string;
  attempt: number;
  last_step_at?: string | null;
  last_heartbeat_at?: string | null;
}

/** An attempt by job and number. */
export interface HeldAttemptView {
  job_id: string;
  attempt: number;
}

/** The id of a new job; its address is in the Location header. */
export interface JobCreated {
  job_id: string;
}

export type JobEvent = ReadyEvent | StateEvent | ProgressEvent | LogEvent | ErrorEvent | ArtifactEvent | AttemptEvent;

/** Some jobs, newest first. */
export interface JobPage {
  items: (JobView)[];
  next_cursor: string | null;
  total: number;
}

/** Where a job stands, and what it waits for. */
export interface JobProgress {
  phase?: string | null;
  epoch?: number | null;
  epochs?: number | null;
  step?: number | null;
  steps?: number | null;
  losses?: Record<string, number | "nan" | "inf" | "-inf"> | null;
  metrics?: Record<string, number | "nan" | "inf" | "-inf"> | null;
  lr?: number | "nan" | "inf" | "-inf" | null;
  images_per_s?: number | null;
  eta_s?: number | null;
  memory?: Record<string, number | null> | null;
  disk?: Record<string, number | null> | null;
  waiting_for?: string | null;
  at?: string | null;
}

/** What a finished training reached. */
export interface JobResult {
  metrics: Record<string, number | "nan" | "inf" | "-inf">;
  primary: PrimaryMetric | null;
  epochs: number | null;
  duration_s: number | null;
}

/** How many jobs there are: in each state, and of each code. */
export interface JobSummary {
  total: number;
  by_status: Record<string, number>;
  by_code: (CodeGroupView)[];
  /** Failed jobs that were not tried again */
  unresolved: number;
}

/** One job. */
export interface JobView {
  job_id: string;
  name: string | null;
  status: "queued" | "starting" | "running" | "waiting" | "cancelling" | "succeeded" | "failed" | "cancelled";
  framework: string;
  model: string;
  task: string | null;
  dataset_id: string;
  /** As submitted, defaults filled in */
  config: TrainingConfig;
  /** Name of the user whose token submitted it */
  created_by: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** Number of the newest attempt, 0 before the first */
  attempt: number;
  progress: JobProgress | null;
  result: JobResult | null;
  /** Why it failed: the same object as in an error answer */
  error: PublicError | null;
  /** When the next attempt is due */
  retry_at: string | null;
  /** When the agent was last heard of it */
  heard_at: string | null;
  retry_of: string | null;
  /** The newest job that tries it again */
  retried_as: string | null;
  /** The state of that job */
  retried_status: string | null;
  /** Epochs done in the checkpoint of the job that it tries again and begins with */
  begins_at: number | null;
  /** Number of its newest event; `since` of the WebSocket */
  last_seq: number;
  /** Early signs of an open training; not in lists */
  signs: (EarlySignView)[];
  /** Of a job that waits or ended without success; not in lists */
  goes_on?: GoesOn | null;
  /** What MLflow was told; not in lists, nor without an MLflow */
  mlflow?: MlflowView | null;
}

/** A fingerprint of a group, and since when it is known. */
export interface KnownFingerprint {
  fingerprint: string;
  since: string;
}

/** The last failure of an integration that the backend which answers has met since its start. */
export interface LastError {
  code: string;
  message: string;
  /** What lay beneath it, where more is known */
  reason: string | null;
  at: string;
  trace_id: string;
}

/** A piece of the training's output. */
export interface LogEvent {
  seq: number;
  at: string;
  attempt: number;
  type: "log";
  offset: number;
  text: string;
  dropped_bytes: number;
}

/** Pieces of log in order; `next` continues, null at the present end. */
export interface LogPage {
  items: (LogPieceView)[];
  next: number | null;
}

/** A piece of the training's output: `offset` in bytes of the whole, `dropped_bytes` left out before it. */
export interface LogPiece {
  offset: number;
  text: string;
  dropped_bytes: number;
}

/** A piece of a training's output. */
export interface LogPieceView {
  seq: number;
  attempt: number;
  offset: number;
  text: string;
  dropped_bytes: number;
}

/** What a training will take, by kind of device. */
export interface MemoryEstimate {
  devices: (DeviceMemory)[];
}

/** The newest time in which MLflow was away, from this training's point of view. */
export interface MlflowGap {
  since: string;
  /** When everything of it had arrived; null: it goes on */
  until: string | null;
  /** Figures that arrived late */
  points: number;
}

/** What MLflow has been told of a training. */
export interface MlflowView {
  /** behind: MLflow is away, what it misses is kept and sent when it is back; refused: it does not take it */
  state: "following" | "behind" | "complete" | "refused";
  /** Where to see the run */
  url: string | null;
  /** Updates of the training that MLflow has not been told yet */
  waiting: number;
  gap: MlflowGap | null;
  /** Updates that MLflow will never be told: too many were waiting */
  given_up: number;
  /** What MLflow does instead of taking figures */
  reason: string | null;
}

/** A model that can be trained. */
export interface ModelView {
  name: string;
  task: string;
  family?: string | null;
  params?: number | null;
  /** What one pixel leaves for the way back */
  activation_bytes_per_pixel?: number | null;
}

/** What a machine must have for a training to be sent there. */
export interface Needs {
  /** Memory that one training may take there */
  memory_bytes?: number | null;
  /** Memory of its largest GPU */
  gpu_memory_bytes?: number | null;
  /** Labels that its agent was given */
  labels?: Record<string, string>;
}

/** A failure; of an error answer with its status, method and route. */
export interface Occurrence {
  status: number | null;
  method: string | null;
  endpoint: string | null;
  error: PublicError;
}

/** The newest kept occurrences of a group. Of a storm only the first of each hour are kept; counts count all. */
export interface OccurrencePage {
  items: (OccurrenceView)[];
  next_cursor: string | null;
}

/** A failure as it happened. */
export interface OccurrenceView {
  occurrence_id: number;
  at: string;
  trace_id: string | null;
  user: string | null;
  job_id: string | null;
  attempt: number | null;
  entity: string | null;
  status: number | null;
  method: string | null;
  endpoint: string | null;
  error: PublicError;
  /** What the page told, of failures of the page */
  report: Record<string, unknown> | null;
}

/** Everything that went wrong under a trace id, oldest first. */
export interface Occurrences {
  trace_id: string;
  items: (Occurrence)[];
}

/** A remedy that a program can apply: `safe` at once, `review` after a look at the change, `manual` is advice. */
export interface OfferedFix {
  id: string;
  label: string;
  applicability: "safe" | "review" | "manual";
  patch: (PatchStep)[];
}

/** Where the page sends its own failures (Sentry's protocol). */
export interface PageMonitoring {
  dsn: string;
  environment: string;
  release: string;
}

/** A failure of the page, told by the page. */
export interface PageReport {
  /** Kind of the error, for example TypeError */
  name: string;
  message: string;
  stack?: string | null;
  component?: string | null;
  path?: string | null;
  /** Of the answer that it came from, where there was one */
  trace_id?: string | null;
  release?: string | null;
}

/** What was done after this failure, and how often it helped. */
export interface PastFix {
  /** For example: 11 of 14 were fixed by batch 16 */
  text: string;
  /** For example: batch 16 */
  fix: string;
  /** Jobs that then succeeded with it */
  worked: number;
  /** Jobs that were tried again in any way and have ended */
  tried: number;
  /** Settings that it changed, with their new values; empty: the same again */
  patch: Record<string, unknown>;
  /** A job that succeeded with it */
  example: string;
}

/** A state that a group came into. */
export interface PastState {
  at: string;
  state: "open" | "resolved" | "ignored" | "regressed";
  /** Whoever set it; null where it came back by itself */
  by: string | null;
  note: string | null;
}

/** One operation of an RFC 6902 patch on a job's configuration. */
export interface PatchOperation {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

/** One operation of an RFC 6902 patch on a job's configuration. */
export interface PatchStep {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

/** Where to PUT a piece of an upload; `url` is null where pieces go through the backend. */
export interface PieceAddress {
  offset: number;
  url: string | null;
}

/** Jobs that are open, and how many may be at a time. */
export interface Places {
  current: number;
  limit: number;
}

/** The metric by which the best weights were chosen. */
export interface PrimaryMetric {
  name: string;
  value: number | "nan" | "inf" | "-inf" | null;
}

/** The same as a problem document of RFC 9457, where ``Accept: application/problem+json`` asks for it. */
export interface ProblemBody {
  error: PublicError;
  /** Address of the code's page */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Address of this occurrence */
  instance: string;
  /** The limits that were reached, as RateLimit-Policy names them */
  "violated-policies"?: (string)[] | null;
}

/** All problems of one kind; the first 100 of them as items. */
export interface ProblemGroup {
  problem: string;
  severity: "error" | "warning";
  title: string;
  count: number;
  items: (ProblemItem)[];
}

/** One problem of a data set. */
export interface ProblemItem {
  file: string;
  line: number | null;
  detail: string | null;
  /** Where a picture of it is */
  thumbnail?: string | null;
}

/** Where the training stands, or the phase that it has come to. */
export interface ProgressEvent {
  seq: number;
  at: string;
  attempt: number;
  phase?: string | null;
  epoch?: number | null;
  epochs?: number | null;
  step?: number | null;
  steps?: number | null;
  losses?: Record<string, number | "nan" | "inf" | "-inf"> | null;
  metrics?: Record<string, number | "nan" | "inf" | "-inf"> | null;
  lr?: number | "nan" | "inf" | "-inf" | null;
  images_per_s?: number | null;
  eta_s?: number | null;
  memory?: Record<string, number | null> | null;
  disk?: Record<string, number | null> | null;
  type: "progress";
  epoch_end?: boolean | null;
}

/** What went wrong, as anybody may see it: the design document's object with additions. */
export interface PublicError {
  type: "transient" | "permanent" | "user_error" | "system_error";
  severity: "low" | "medium" | "high" | "critical";
  /** For people; programs go by `code` */
  message: string;
  suggested_action: string | null;
  /** RFC 3339, UTC */
  timestamp: string;
  /** Also in Server-Timing and in the log */
  trace_id: string;
  /** Stable; listed under /api/v1/errors */
  code: string;
  title: string;
  retryable: boolean;
  /** Seconds; equals the Retry-After header */
  retry_after: number | null;
  /** Every changing part of the texts, as data */
  params: Record<string, unknown>;
  /** All wrong fields at once */
  errors: (FieldProblem)[];
  fixes: (OfferedFix)[];
  doc_url: string;
  attempts_url: string | null;
}

/** Marks the end of what had been when the watcher came. */
export interface ReadyEvent {
  type: "ready";
  seq: number;
}

/** A job that could not be tried again, and why. */
export interface Refused {
  job_id: string;
  error: PublicError;
}

/** An attempt diagnosed again: the new verdict, and all the earlier ones, newest last. */
export interface Rejudged {
  attempt: number;
  changed: boolean;
  code: string;
  confidence: number;
  entity: string | null;
  evidence: (string)[];
  fingerprint: string;
  /** Labels of the rules that took part */
  rules: (string)[];
  verdicts: (Verdict)[];
}

/** The attempts that an agent must stop and forget. */
export interface Release {
  release: (HeldAttemptView)[];
}

/** A report was taken in. */
export interface Reported {
  /** Under which it is found */
  trace_id: string;
  fingerprint: string;
}

/** What a training machine has, as far as its agent can tell. */
export interface Resources {
  cpus?: number | null;
  memory_bytes?: number | null;
  /** What one training may take */
  memory_limit_bytes?: number | null;
  disk_free_bytes?: number | null;
  gpus?: (Gpu)[] | null;
  platform?: string | null;
  cgroup?: string | null;
  labels?: Record<string, string> | null;
}

/** What a finished training reached. */
export interface Result {
  metrics?: Record<string, number | "nan" | "inf" | "-inf">;
  epochs?: number | null;
  duration_s?: number | null;
}

/** The checkpoint that an attempt began with. */
export interface ResumedFrom {
  attempt: number;
  epoch: number;
  /** The job that it is of, where that is another one */
  job_id?: string | null;
}

/** A job and the one that tries it again. */
export interface Retried {
  job_id: string;
  retried_as: string;
}

/** How to try a failed job again: one of its offered fixes, a patch of one's own, or neither (unchanged). */
export interface RetryRequest {
  fix_id?: string | null;
  patch?: (PatchOperation)[] | null;
  /** Leaves the checkpoint that the job has left */
  from_scratch: boolean;
}

/** A rule to try or to add: at least one of `code`, `stop` and `exclude_node` says what it does. */
export interface RuleDraft {
  /** RE2, for one line of the log */
  pattern: string;
  label: string;
  /** The failure code that a log with such a line has */
  code?: string | null;
  /** The job ends as failed, whatever the budget of retries says */
  stop: boolean;
  /** The job's next attempts run on other machines */
  exclude_node: boolean;
  /** Who writes it; the user of the token where it is left out */
  created_by?: string | null;
}

/** All rules, in the order in which they are asked. */
export interface RuleList {
  items: (RuleView)[];
}

/** A rule, who wrote it and what it has hit. */
export interface RuleView {
  rule_id: number;
  label: string;
  pattern: string;
  code: string | null;
  stop: boolean;
  exclude_node: boolean;
  created_by: string;
  created_at: string;
  hits: number;
  last_hit_at: string | null;
  last_hit_job: string | null;
  last_hit_attempt: number | null;
}

/** A batch that fitted where a larger one had not; `accumulate` keeps the effective batch of the configuration. */
export interface SafeBatchView {
  device: string;
  batch_size: number;
  val_batch_size: number | null;
  accumulate: number;
  /** The job that found it out */
  job_id: string;
}

/** Which sample set to take in, and under what name. */
export interface SampleRequest {
  sample: string;
  dataset_id?: string | null;
}

/** The caller is let in. */
export interface Session {
  authenticated: boolean;
  version: string;
  user: string;
  role: "user" | "operator";
  /** None where the page's failures stay with the platform */
  monitoring: PageMonitoring | null;
}

/** What was decided after an attempt had failed. */
export interface ShownDecision {
  action: string;
  reason: string | null;
  patch: (PatchStep)[] | null;
  wait_s: number | null;
  /** Whose budget of retries it draws on: user, platform or preemption */
  budget: string | null;
}

/** What an attempt failed of, and the lines that show it. */
export interface ShownDiagnosis {
  code: string;
  confidence: number;
  entity: string | null;
  evidence: (string)[];
  fingerprint: string;
}

/** How an attempt's failure compares with those before it; progress null means unknown. */
export interface ShownHistory {
  same_failure: boolean | null;
  same_entity: boolean | null;
  progress: boolean | null;
  best_epoch: number | null;
}

/** Failures like that of a job; `group` is null where the job has not failed, or a moment ago. */
export interface SimilarFailures {
  job_id: string;
  fingerprint: string | null;
  group: GroupView | null;
  this_week: number;
  /** The newest 10 others that the caller may see */
  jobs: (SimilarJob)[];
  fix: PastFix | null;
  fixes: (PastFix)[];
}

/** Another job that failed in the same way. */
export interface SimilarJob {
  job_id: string;
  name: string | null;
  status: string;
  model: string;
  dataset_id: string;
  failed_at: string;
  retried_as: string | null;
}

/** What a group is to be: resolved ones that come back become regressed by themselves, ignored ones stay ignored. */
export interface StateChange {
  state: "open" | "resolved" | "ignored";
  note?: string | null;
}

/** The job is in another state. */
export interface StateEvent {
  seq: number;
  at: string;
  attempt: number;
  type: "state";
  status: "queued" | "starting" | "running" | "waiting" | "cancelling" | "succeeded" | "failed" | "cancelled";
  reason?: string | null;
  retry_at?: string | null;
  wait_s?: number | null;
  code?: string | null;
  result?: JobResult | null;
}

/** The platform in short. */
export interface Status {
  version: string;
  status: "ok" | "degraded";
  /** The gravest for trainings first; none: all is well */
  degraded: (DegradedPart)[];
  /** None is known where `open_jobs` is null */
  agents: (AgentView)[];
  /** Null: the database does not answer */
  open_jobs: number | null;
  disk: Disk;
  home: string;
}

/** Bytes of everything that was brought, and of what trainings have left. */
export interface Stored {
  datasets_bytes: number;
  files_bytes: number;
}

/** What was told at once lately, and what fires now. */
export interface SystemAlerts {
  /** Whether somebody is told: `VTP_ALERT_URL` */
  receiver: boolean;
  /** The newest 50 of this backend since it was started */
  told: (ToldAlert)[];
  /** Null where none is set up: `VTP_ALERTMANAGER_URL` */
  alertmanager: HeldAlerts | null;
}

/** Values of a task that a training takes where its request leaves them open. */
export interface TaskDefaults {
  epochs?: number | null;
  batch_size?: number | null;
  image_size?: number | null;
}

/** An alert that a backend told at once. */
export interface ToldAlert {
  kind: "critical" | "new" | "regressed";
  code: string;
  /** The code's title */
  title: string;
  severity: string;
  owner: string | null;
  component: string;
  message: string;
  action: string | null;
  /** How often it happened since it was last told */
  times: number;
  at: string;
  group_id: number | null;
  job_id: string | null;
  trace_id: string | null;
  /** Page of its group, its job or its code */
  link: string;
  runbook: string;
  /** `shown`: there is no receiver */
  outcome: "sent" | "shown" | "dropped" | "failed";
  /** Why it was not delivered */
  reason: string | null;
}

/** The error as the trainer names it; the design document's object. */
export interface TrainerError {
  type?: string | null;
  code?: string | null;
  message?: string | null;
  details?: Record<string, unknown>;
}

/** What to train, on what, and how. Unknown fields are refused. */
export interface TrainingConfig {
  /** Architecture, as listed under /api/v1/frameworks */
  model: string;
  dataset_id: string;
  framework: string;
  /** A label of your own */
  name?: string | null;
  epochs: number;
  /** Images that are in memory at once */
  batch_size: number;
  /** Pieces of a step: batch_size x accumulate is the effective batch, whose gradients are gathered */
  accumulate: number;
  /** Images in a validation step; null takes twice the batch size */
  val_batch_size?: number | null;
  /** Edge in pixels; null takes the framework's value for the task */
  image_size?: number | null;
  /** First learning rate; null takes the framework's */
  lr0?: number | null;
  /** Processes that load images */
  workers?: number | null;
  /** How loader processes hand images over: in shared memory, or in files */
  sharing: "file_descriptor" | "file_system";
  seed: number;
  /** auto, cpu, or GPU numbers such as 0 or 0,1 */
  device: string;
  /** Epochs without progress before stopping early */
  patience?: number | null;
  /** Time limit in seconds */
  max_duration_s?: number | null;
  /** Further settings of the framework, by its names */
  settings?: Record<string, unknown>;
  /** Train without the files the report found broken */
  exclude_invalid_files: boolean;
  /** Share of the training images held back where there is no validation set */
  val_fraction?: number | null;
  /** Uploaded weights to start from */
  weights_id?: string | null;
  /** What a machine must have; null takes any with the framework */
  needs?: Needs | null;
}

/** One update of an attempt. Without `attempt` and `seq`, as in the design document, it is about the one under way. */
export interface TrainingUpdate {
  status: "running" | "succeeded" | "failed" | "cancelled";
  attempt?: number | null;
  seq?: number | null;
  at?: string | null;
  phase?: string | null;
  progress?: Progress | null;
  log?: LogPiece | null;
  artifact?: ArtifactNote | null;
  error?: TrainerError | null;
  evidence?: Record<string, unknown> | null;
  result?: Result | null;
}

/** How often it came lately. */
export interface Trend {
  /** The last 14 days in UTC, oldest first; the last one is today */
  days: (number)[];
  /** In the last 7 of them */
  this_week: number;
  last_week: number;
  direction: "rising" | "falling" | "steady" | "new" | "gone";
}

/** A zip that is to be sent in pieces. */
export interface UploadRequest {
  name: string;
  bytes: number;
  /** When the file was changed, by which it is known again */
  modified?: number | null;
}

/** An upload under way, or the data set that it has become. */
export interface UploadView {
  upload_id: string;
  name: string;
  bytes: number;
  modified: number | null;
  created_at: string;
  /** Bytes that are here for good: where the next piece begins */
  offset: number;
  /** A good size of pieces */
  piece_bytes: number;
  /** Set when it is whole */
  dataset_id: string | null;
}

/** Uploads that can go on, newest first. */
export interface Uploads {
  items: (UploadView)[];
}

/** Where compute time went in the last days: by how attempts ended, and of the failed ones by whose fault it was; and what is held now. */
export interface Usage {
  days: number;
  by_status: (UsedByStatus)[];
  by_causer: (UsedByCauser)[];
  by_code: (UsedByCode)[];
  open_jobs: Places;
  stored: Stored;
}

/** Compute time of attempts that failed through one causer. */
export interface UsedByCauser {
  causer: "user" | "data" | "platform" | "hardware" | "dependency" | "unknown";
  attempts: number;
  seconds: number;
}

/** Compute time of attempts that failed with one code. */
export interface UsedByCode {
  code: string;
  attempts: number;
  seconds: number;
}

/** Compute time of attempts that ended in one way. */
export interface UsedByStatus {
  status: "succeeded" | "failed" | "cancelled";
  attempts: number;
  seconds: number;
}

/** What a dry run found: everything wrong at once, and the configuration as it would run. */
export interface ValidationAnswer {
  valid: boolean;
  errors: (PublicError)[];
  warnings: (PublicError)[];
  /** Where the batch is known to be too large for a device */
  safe_batch: SafeBatchView | null;
  /** Null where nothing can be said of it yet */
  memory: MemoryEstimate | null;
  config: EffectiveConfig | null;
}

/** A verdict on an attempt that a later one has taken the place of. */
export interface Verdict {
  /** When the later one came */
  at: string;
  code: string | null;
  confidence: number | null;
  evidence: (string)[];
  fingerprint: string | null;
}

/** All weights, newest first. */
export interface WeightsList {
  items: (WeightsView)[];
}

/** Weights that a user brought. */
export interface WeightsView {
  weights_id: string;
  name: string;
  bytes: number;
  sha256: string;
  created_at: string;
}

export type Agent = AgentView;
export type Artifact = ArtifactView;
export type Attempt = AttemptView;
export type Dataset = DatasetView;
export type EpochFigures = EpochView;
export type ErrorKind = PublicError["type"];
export type ErrorResponse = ErrorBody;
export type Figure = NonNullable<EpochView["lr"]>;
export type Fix = OfferedFix;
export type Job = JobView;
export type JobStatus = JobView["status"];
export type Progress = JobProgress;
export type Rule = RuleView;
export type Severity = PublicError["severity"];
export type SystemStatus = Status;
export type Upload = UploadView;
export type Validation = ValidationAnswer;
export type Weights = WeightsView;
