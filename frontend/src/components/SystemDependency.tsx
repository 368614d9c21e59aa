import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Dependency } from "../generated/api";
import { tell } from "../lib/tell";
import { api } from "../services/api";
import { Dialog } from "./Dialog";
import { Button } from "./ui";

const states: Record<string, { word: string; tone: string; means: string }> = {
  CLOSED: { word: "Working", tone: "text-good bg-good-ground", means: "calls go through" },
  OPEN: {
    word: "Out of service",
    tone: "text-bad bg-bad-ground",
    means: "calls are refused at once, to let it recover",
  },
  HALF_OPEN: {
    word: "Being tried",
    tone: "text-warn bg-warn-ground",
    means: "one call finds out whether it is back",
  },
  ISOLATED: {
    word: "Switched off",
    tone: "text-warn bg-warn-ground",
    means: "all calls are kept away until it is reset",
  },
};

function standing(item: Dependency): string {
  if (!item.breaker_after) return "no breaker: always called";
  if (!item.state) return "not called yet";
  const parts = [states[item.state]?.means ?? item.state];
  if (item.failure_count)
    parts.push(`${item.failure_count} of ${item.breaker_after.failures} failures in a row`);
  if (item.state === "OPEN" && item.retry_after)
    parts.push(`tried again in ${Math.ceil(item.retry_after)} s`);
  return parts.join(", ");
}

function policy(item: Dependency): string {
  const wait = `${item.first_wait_s} to ${item.longest_wait_s} s`;
  const tries = `${item.attempts} attempts, waits of ${wait}`;
  const breaker = item.breaker_after
    ? `; out of service for ${item.breaker_after.seconds} s after ${item.breaker_after.failures} failures`
    : "";
  return `${tries}${breaker}${item.give_up === "none" ? "; done without in the end" : ""}`;
}

/** An integration: how it does, how calls to it are protected, and the switch of its breakers. */
export function DependencyRow({ item }: { item: Dependency }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const done = { onSuccess: () => client.invalidateQueries({ queryKey: ["dependencies"] }), onError: tell };
  const isolate = useMutation({ mutationFn: () => api.isolate(item.name), ...done });
  const reset = useMutation({ mutationFn: () => api.reset(item.name), ...done });
  const state = item.state && states[item.state];
  const closed = item.state === "CLOSED";
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1.5 px-4 py-2.5">
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-center gap-2">
          <span className="font-medium">{item.title}</span>
          {state && (
            <span className={`rounded-full px-2 py-0.5 text-[13px] font-medium ${state.tone}`}>
              {state.word}
            </span>
          )}
        </p>
        <p className="text-[13px] text-soft">{standing(item)}</p>
        <p className="text-[13px] text-soft">{policy(item)}</p>
      </div>
      {item.state && (
        <Button
          small
          busy={isolate.isPending || reset.isPending}
          onClick={() => (closed ? setAsking(true) : reset.mutate())}
          title={
            closed
              ? "Refuses all calls until it is reset"
              : "Lets calls through again and forgets the failures"
          }
        >
          {closed ? "Switch off" : "Reset"}
          <span className="sr-only"> {item.title}</span>
        </Button>
      )}
      {asking && (
        <Dialog title={`Switch off ${item.title}?`} onClose={() => setAsking(false)}>
          <p>All calls to it are refused until somebody resets it here. What needs it fails meanwhile.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsking(false)}>Leave it on</Button>
            <Button
              look="danger"
              onClick={() => {
                setAsking(false);
                isolate.mutate();
              }}
            >
              Switch off
            </Button>
          </div>
        </Dialog>
      )}
    </li>
  );
}
