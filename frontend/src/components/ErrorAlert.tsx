// An error as people meet it: what happened, what to do, buttons that do it, and for support the trace id last.

import { AlertOctagon, AlertTriangle, Info, type LucideIcon, X } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import type { Fix } from "../generated/api";
import { useNow } from "../hooks/useNow";
import { remedies, safeUrl } from "../lib/fixes";
import type { ApiError } from "../services/api";
import { Code } from "./Code";
import { Limit } from "./Limit";
import { Button, linkClass } from "./ui";

interface ErrorAlertProps {
  error: ApiError;
  onRetry?: () => void;
  onDismiss?: () => void;
  onFix?: (fix: Fix) => void;
  /** Something is being done about it: buttons wait. */
  busy?: boolean;
  /** `focus` moves the focus to the heading, for errors that take the place of what was asked for. */
  announce?: "alert" | "status" | "focus" | "none";
  /** Field errors are listed here where no form shows them. */
  listFields?: boolean;
  children?: ReactNode;
}

const grades: Record<string, { icon: LucideIcon; word: string; tone: string }> = {
  critical: { icon: AlertOctagon, word: "Critical error", tone: "border-bad bg-bad-ground text-bad" },
  high: { icon: AlertTriangle, word: "Error", tone: "border-bad bg-bad-ground text-bad" },
  medium: { icon: AlertTriangle, word: "Problem", tone: "border-warn bg-warn-ground text-warn" },
  low: { icon: Info, word: "Please check", tone: "border-info bg-info-ground text-info" },
};
const unknownGrade = { icon: AlertTriangle, word: "Problem", tone: "border-warn bg-warn-ground text-warn" };

export function ErrorAlert({
  error,
  onRetry,
  onDismiss,
  onFix,
  busy,
  announce = "alert",
  listFields,
  children,
}: ErrorAlertProps) {
  const grade = grades[error.severity] ?? unknownGrade;
  const Icon = grade.icon;
  // What takes the place of a page is that page's heading.
  const Heading = announce === "focus" ? "h1" : "h2";
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (announce === "focus") heading.current?.focus();
  }, [announce]);
  const { safe, review, manual } = remedies(error.fixes);
  const role = announce === "alert" || announce === "status" ? announce : undefined;
  return (
    <div data-error={error.code} className={`relative rounded-lg border border-l-4 px-4 py-3 ${grade.tone}`}>
      <div className="flex gap-3">
        <Icon aria-hidden className="mt-0.5 size-5 shrink-0" />
        <div className="min-w-0 flex-1">
          {/* Only what is to be said once lies in the live region: the countdown beside it must not repeat it. */}
          <div role={role}>
            <Heading ref={heading} tabIndex={-1} className="font-semibold break-words text-ink">
              <span className={grade.tone.split(" ").at(-1)}>{grade.word}: </span>
              <Code text={error.message} />
            </Heading>
            {error.suggestedAction && (
              <p className="mt-1 break-words text-ink">
                <Code text={error.suggestedAction} />
              </p>
            )}
          </div>
          <Limit error={error} />
          {listFields && error.fields.length > 0 && <Fields error={error} />}
          {children}
          {manual.map((fix) => (
            <p key={fix.id} className="mt-1 text-ink">
              {fix.label}
            </p>
          ))}
          <div className="mt-3 flex flex-wrap gap-2 empty:hidden">
            {onFix &&
              safe.map((fix, index) => (
                <Button
                  key={fix.id}
                  small
                  look={index ? "secondary" : "primary"}
                  busy={busy}
                  onClick={() => onFix(fix)}
                >
                  {fix.label}
                </Button>
              ))}
            {onFix &&
              review.map((fix) => (
                <Button key={fix.id} small busy={busy} onClick={() => onFix(fix)}>
                  Review: {fix.label}
                </Button>
              ))}
            {onRetry && error.retryable && <RetryButton error={error} onRetry={onRetry} busy={busy} />}
          </div>
          <Reference error={error} />
        </div>
        {onDismiss && (
          <Button
            small
            look="ghost"
            onClick={onDismiss}
            aria-label="Dismiss"
            className="-mt-1 -mr-2 self-start"
          >
            <X aria-hidden className="size-4" />
          </Button>
        )}
      </div>
    </div>
  );
}

function Fields({ error }: { error: ApiError }) {
  return (
    <ul className="mt-2 list-disc pl-5 text-ink">
      {error.fields.map((field) => (
        <li key={field.pointer + field.code}>
          <code className="font-mono text-[0.92em]">{field.pointer.replace(/^#\//, "")}</code>:{" "}
          <Code text={field.message} />
        </li>
      ))}
    </ul>
  );
}

/** Waits as long as the backend asked for, and says so. */
function RetryButton({ error, onRetry, busy }: { error: ApiError; onRetry: () => void; busy?: boolean }) {
  const now = useNow(1000);
  const shownAt = useRef(Date.now());
  const left = Math.ceil((error.retryAfter ?? 0) - (now - shownAt.current) / 1000);
  return (
    <Button small busy={busy} disabled={left > 0} onClick={onRetry}>
      {left > 0 ? `Try again in ${left} s` : "Try again"}
    </Button>
  );
}

function Reference({ error }: { error: ApiError }) {
  const url = safeUrl(error.docUrl);
  return (
    <p className="mt-2 flex flex-wrap gap-x-4 gap-y-0.5 text-[13px] text-soft">
      {url && (
        <a href={url} target="_blank" rel="noreferrer" className={linkClass}>
          About {error.code}
        </a>
      )}
      {error.traceId && (
        <span className="min-w-0 break-all">
          Trace id <code className="font-mono select-all">{error.traceId}</code>
        </span>
      )}
    </p>
  );
}
