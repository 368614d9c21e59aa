// The state of a job, an attempt or a group of failures: a sign, a word and a colour, never the colour alone.

import {
  Ban,
  BellOff,
  CheckCircle2,
  CircleAlert,
  CircleDashed,
  CircleDotDashed,
  CircleX,
  Hourglass,
  Loader,
  type LucideIcon,
  RotateCcw,
  TimerReset,
} from "lucide-react";
import { useNow } from "../hooks/useNow";
import { SILENT_AFTER_S, silence } from "../lib/job";

interface Look {
  word: string;
  icon: LucideIcon;
  tone: string;
}

const looks: Record<string, Look> = {
  queued: { word: "Queued", icon: CircleDashed, tone: "text-soft bg-hover" },
  created: { word: "Created", icon: CircleDashed, tone: "text-soft bg-hover" },
  starting: { word: "Starting", icon: CircleDotDashed, tone: "text-info bg-info-ground" },
  running: { word: "Running", icon: Loader, tone: "text-info bg-info-ground" },
  waiting: { word: "Retrying", icon: TimerReset, tone: "text-warn bg-warn-ground" },
  cancelling: { word: "Cancelling", icon: Hourglass, tone: "text-soft bg-hover" },
  succeeded: { word: "Succeeded", icon: CheckCircle2, tone: "text-good bg-good-ground" },
  failed: { word: "Failed", icon: CircleX, tone: "text-bad bg-bad-ground" },
  cancelled: { word: "Cancelled", icon: Ban, tone: "text-soft bg-hover" },
  ready: { word: "Ready", icon: CheckCircle2, tone: "text-good bg-good-ground" },
  checking: { word: "Checking", icon: Loader, tone: "text-info bg-info-ground" },
  open: { word: "Open", icon: CircleAlert, tone: "text-warn bg-warn-ground" },
  regressed: { word: "Regressed", icon: RotateCcw, tone: "text-bad bg-bad-ground" },
  resolved: { word: "Resolved", icon: CheckCircle2, tone: "text-good bg-good-ground" },
  ignored: { word: "Ignored", icon: BellOff, tone: "text-soft bg-hover" },
  invalid: { word: "Has problems", icon: CircleX, tone: "text-bad bg-bad-ground" },
};

export function statusWord(status: string): string {
  return looks[status]?.word ?? status;
}

export function StatusBadge({ status, word }: { status: string; word?: string }) {
  const look = looks[status] ?? { word: status, icon: CircleDashed, tone: "text-soft bg-hover" };
  const Icon = look.icon;
  const turning = status === "running" || status === "checking";
  return (
    <span
      data-status={status}
      className={`inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-[13px] font-medium whitespace-nowrap ${look.tone}`}
    >
      <Icon
        aria-hidden
        className={`size-4 shrink-0 ${turning ? "animate-spin [animation-duration:3s]" : ""}`}
      />
      {word ?? look.word}
    </span>
  );
}

/** A running job that nothing was heard of for a while is not called failed: it is silent, and that is said. */
export function Silence({ status, heardAt }: { status: string; heardAt: string | null }) {
  const quiet = silence(status, heardAt, useNow(1000));
  if (quiet === null || quiet < SILENT_AFTER_S) return null;
  return <span className="text-[13px] font-medium text-warn">Not heard from for {quiet} s</span>;
}
