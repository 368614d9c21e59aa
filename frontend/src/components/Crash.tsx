// Crashes of the page itself: each panel and each page catches its own, so that the rest stands.

import { type ReactNode, useRef } from "react";
import { ErrorBoundary, type FallbackProps } from "react-error-boundary";
import { toast } from "sonner";
import { noteFailure } from "../lib/crashes";
import { Button } from "./Button";

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

const failureOf = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

function CopyReport({ error, small }: { error: Error; small?: boolean }) {
  const copy = () => navigator.clipboard.writeText(report(error)).then(() => toast.success("Report copied"));
  return (
    <Button small={small} onClick={copy}>
      Copy report
    </Button>
  );
}

function PanelCrash({ error, resetErrorBoundary }: FallbackProps) {
  const failure = failureOf(error);
  return (
    <div role="alert" className="p-4">
      <p className="font-medium">This panel has crashed; the rest of the page works</p>
      <pre className="mt-2 max-h-32 overflow-auto rounded bg-hover p-2 font-mono text-[13px]">
        {failure.message}
      </pre>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button small look="primary" onClick={resetErrorBoundary}>
          Show it again
        </Button>
        <CopyReport small error={failure} />
      </div>
    </div>
  );
}

/** Catches what crashes in one panel. */
export function PanelBoundary({ children }: { children: ReactNode }) {
  return (
    <ErrorBoundary FallbackComponent={PanelCrash} onError={noteFailure}>
      {children}
    </ErrorBoundary>
  );
}

function Crash({ error, resetErrorBoundary }: FallbackProps) {
  const failure = failureOf(error);
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
        <CopyReport error={failure} />
      </div>
    </div>
  );
}

export function Boundary({ children, resetKey }: { children: ReactNode; resetKey?: string }) {
  return (
    <ErrorBoundary FallbackComponent={Crash} resetKeys={[resetKey]} onError={noteFailure}>
      {children}
    </ErrorBoundary>
  );
}
