// Where failures are shown that are not a job's own: a whole page, a card, a crash of the page itself.

import { Link, useRouter } from "@tanstack/react-router";
import { type ReactNode, useRef } from "react";
import { ErrorBoundary, type FallbackProps } from "react-error-boundary";
import { toast } from "sonner";
import { presentation, situationOf } from "../lib/presentation";
import { ApiError } from "../services/api";
import { ErrorAlert } from "./ErrorAlert";
import { Button, buttonClass } from "./ui";

/** The data that a page is about could not be had: the page's place, navigation kept. */
export function PageError({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const router = useRouter();
  if (!(error instanceof ApiError)) throw error;
  const shown = presentation(situationOf(error, "load"));
  if (shown.place === "dialog") return <p className="p-4 text-soft">Log in to see this page.</p>;
  return (
    <div className="mx-auto mt-6 max-w-2xl">
      <ErrorAlert error={error} onRetry={onRetry} announce={shown.announce} listFields />
      <div className="mt-3 flex gap-2">
        <Button onClick={() => router.history.back()}>Go back</Button>
        <Link to="/" className={buttonClass()}>
          All jobs
        </Link>
      </div>
    </div>
  );
}

/** One part of a page could not be had; the rest stands. */
export function CardError({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (!(error instanceof ApiError)) throw error;
  const { announce } = presentation(situationOf(error, "card"));
  return (
    <div className="p-3">
      <ErrorAlert error={error} onRetry={onRetry} announce={announce} />
    </div>
  );
}

function report(error: Error): string {
  const where = `${location.pathname}${location.search}`;
  return [
    `## The page crashed`,
    "",
    `- page: ${where}`,
    `- at: ${new Date().toISOString()}`,
    `- browser: ${navigator.userAgent}`,
    "",
    "```",
    error.stack ?? String(error),
    "```",
  ].join("\n");
}

function Crash({ error, resetErrorBoundary }: FallbackProps) {
  const failure = error instanceof Error ? error : new Error(String(error));
  const focused = useRef(false);
  const focus = (heading: HTMLHeadingElement | null) => {
    if (heading && !focused.current) {
      focused.current = true;
      heading.focus();
    }
  };
  return (
    <div className="mx-auto mt-8 max-w-2xl rounded-lg border border-l-4 border-bad bg-panel p-5">
      <h1 ref={focus} tabIndex={-1} className="text-lg font-semibold">
        This part of the page has crashed
      </h1>
      <p className="mt-1">
        Trainings are not affected: they run outside of the page. Load it again; if it crashes again, send the
        report.
      </p>
      <pre className="mt-3 max-h-40 overflow-auto rounded bg-hover p-2 font-mono text-[13px]">
        {failure.message}
      </pre>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button look="primary" onClick={() => location.reload()}>
          Load the page again
        </Button>
        <Button onClick={resetErrorBoundary}>Try to go on</Button>
        <Button
          onClick={() =>
            navigator.clipboard.writeText(report(failure)).then(() => toast.success("Report copied"))
          }
        >
          Copy report
        </Button>
      </div>
    </div>
  );
}

export function Boundary({ children, resetKey }: { children: ReactNode; resetKey?: string }) {
  return (
    <ErrorBoundary FallbackComponent={Crash} resetKeys={[resetKey]}>
      {children}
    </ErrorBoundary>
  );
}
