import { WifiOff } from "lucide-react";
import { useNow } from "../hooks/useNow";
import { presentation, situationOf } from "../lib/presentation";
import { ApiError } from "../services/api";
import { Button } from "./ui";

interface Props {
  error: Error;
  /** When the request failed, in milliseconds since the epoch. */
  failedAt: number;
  /** When what is on the screen was true. */
  dataAt?: number;
  /** When it is asked for again; null: not by itself. */
  retryAt?: number | null;
  onRetry?: () => void;
}

const clock = (at: number) => new Date(at).toLocaleTimeString();

/** Old data is on the screen and could not be renewed: said quietly, once, and the data stays. */
export function RefetchBanner({ error, failedAt, dataAt = failedAt, retryAt, onRetry }: Props) {
  if (!(error instanceof ApiError)) throw error;
  const shown = presentation(situationOf(error, "refetch"));
  if (shown.place !== "banner") return null;
  return (
    <div className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-md border border-warn bg-warn-ground px-3 py-2">
      <WifiOff aria-hidden className="size-4 shrink-0 text-warn" />
      <p role="status" className="min-w-0 flex-1 basis-60">
        Live updates paused: {error.message}{" "}
        <span className="text-soft">What you see is of {clock(dataAt)}.</span>
      </p>
      {retryAt !== undefined && <Countdown until={retryAt} />}
      {onRetry && (
        <Button small onClick={onRetry}>
          Try now
        </Button>
      )}
    </div>
  );
}

/** Beside the announcement, not in it: a screen reader is told once, not each second. */
function Countdown({ until }: { until: number | null }) {
  const now = useNow(500);
  if (until === null) return null;
  const left = Math.ceil((until - now) / 1000);
  return <span className="text-soft">{left > 0 ? `retrying in ${left} s` : "trying now"}</span>;
}
