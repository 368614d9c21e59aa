import { WifiOff } from "lucide-react";
import { useNow } from "../hooks/useNow";
import { ago } from "../lib/format";
import { ApiError } from "../services/api";

/** Old data is on the screen and could not be renewed: said quietly, once, and the data stays. */
export function RefetchBanner({ error, failedAt }: { error: Error; failedAt: number }) {
  const now = useNow(5000);
  if (!(error instanceof ApiError)) throw error;
  if (error.code === "INVALID_TOKEN") return null;
  return (
    <p
      role="status"
      className="mb-3 flex items-center gap-2 rounded-md border border-warn bg-warn-ground px-3 py-2 text-ink"
    >
      <WifiOff aria-hidden className="size-4 shrink-0 text-warn" />
      <span>
        Updates paused: {error.message} What you see is from before{" "}
        {ago(new Date(failedAt).toISOString(), now)}; it is tried again by itself.
      </span>
    </p>
  );
}
