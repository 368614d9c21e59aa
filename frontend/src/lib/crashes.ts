// Failures of the page itself, on their way to the platform's own tracking and to Sentry where it has a DSN.
//
// Refusals of the backend are not the page's: it has counted and reported them itself. Only what it calls a fault of the
// platform is told from here too, under the same trace id, so that one finds what the user saw.

import type { ErrorInfo } from "react";
import { ApiError, api, request } from "../services/api";
import { scrubbed } from "./scrub";

type Sentry = typeof import("./sentry");

let sentry: Sentry | null = null;
let release: string | undefined;
let lastTrace: string | undefined;
const seen = new WeakSet<Error>();
const told = new Set<string>();
const early: [Error, ErrorInfo | undefined][] = [];
const MOST_EARLY = 20;
const MOST_TOLD = 100;

const failureOf = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

/** Whether a refusal is a fault of the platform that the user has seen; one trace is told once. */
function worthTelling(error: ApiError): boolean {
  if (error.traceId) lastTrace = error.traceId;
  if (error.code !== "SYSTEM_ERROR" || !error.traceId || told.has(error.traceId)) return false;
  if (told.size >= MOST_TOLD) told.clear();
  told.add(error.traceId);
  return true;
}

function capture(error: Error, info?: ErrorInfo) {
  if (!sentry) return;
  const api = error instanceof ApiError ? error : undefined;
  const trace = api?.traceId ?? lastTrace;
  const context = {
    tags: {
      component: "page",
      type: api?.type ?? "system_error",
      severity: api?.severity ?? "high",
      causer: "platform",
      code: api?.code ?? "PAGE_CRASH",
      ...(trace && { trace_id: trace }),
    },
    contexts: {
      ...(trace && { trace: { trace_id: trace, span_id: trace.slice(0, 16) } }),
      error_details: { user_message: error.message, suggested_action: api?.suggestedAction },
    },
    // A crash is grouped by its frames, as Sentry does it; a fault of the platform like the backend's.
    ...(api && { fingerprint: ["p1", api.code, api.title] }),
  };
  if (info) sentry.captureReactException(error, info, context);
  else sentry.captureException(error, context);
}

/** Captures at once, or as soon as it is known whether and where to. */
function captureSoon(error: Error, info?: ErrorInfo) {
  if (sentry) capture(error, info);
  else if (early.length < MOST_EARLY) early.push([error, info]);
}

/** Tells of a failure, once; `info` is React's, where it happened in a component. */
export function noteFailure(given: unknown, info?: ErrorInfo): void {
  const error = failureOf(given);
  if (seen.has(error)) return;
  seen.add(error);
  if (error instanceof ApiError) {
    if (worthTelling(error)) captureSoon(error);
    return;
  }
  captureSoon(error, info);
  const report = {
    name: (error.name || "Error").slice(0, 100),
    message: scrubbed(error.message).slice(0, 1000),
    stack: error.stack && scrubbed(error.stack).slice(0, 8000),
    component: info?.componentStack?.trim().split("\n")[0]?.trim().slice(0, 200),
    path: location.pathname.slice(0, 500),
    trace_id: lastTrace,
    release,
  };
  // A report that does not arrive must not become a failure to report.
  request("POST", "/errors/reports", report).catch((lost: unknown) => console.warn("report not taken", lost));
}

async function load() {
  const session = await api.session();
  release = `vtp@${session.version}`;
  if (!session.monitoring) return;
  const loaded = await import("./sentry");
  loaded.init({
    ...session.monitoring,
    defaultIntegrations: false,
    integrations: [
      loaded.breadcrumbsIntegration(),
      loaded.dedupeIntegration(),
      loaded.httpContextIntegration(),
      loaded.linkedErrorsIntegration(),
    ],
    beforeSend: (event) => scrubbed(event),
    beforeBreadcrumb: (crumb) => scrubbed(crumb),
  });
  sentry = loaded;
  for (const [error, info] of early.splice(0)) capture(error, info);
}

/** Begins to notice what nobody catches; asks the platform, when the page has settled, where that goes. */
export function watchForCrashes(): void {
  window.addEventListener("error", (event) => {
    if (event.error) noteFailure(event.error);
  });
  window.addEventListener("unhandledrejection", (event) => noteFailure(event.reason));
  const begin = () => load().catch((reason: unknown) => console.warn("monitoring not loaded", reason));
  if (document.readyState === "complete") setTimeout(begin);
  else window.addEventListener("load", () => setTimeout(begin), { once: true });
}
