import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Dependency } from "../generated/api";
import { breakerOf, policyOf, sorted, wordOf } from "../lib/dependency";
import { tell } from "../lib/tell";
import { ApiError, api } from "../services/api";
import { Dialog } from "./Dialog";
import { ErrorAlert } from "./ErrorAlert";
import { Ago, Button } from "./ui";

const TONES = {
  good: "text-good bg-good-ground",
  warn: "text-warn bg-warn-ground",
  bad: "text-bad bg-bad-ground",
  none: "text-soft bg-hover",
};

/** Within the panel, so that what crashes in it stays there. */
export function DependencyRows({ items }: { items: Dependency[] }) {
  const { used, unused } = sorted(items);
  return (
    <ul className="divide-y divide-line">
      {used.map((item) => (
        <DependencyRow key={item.name} item={item} />
      ))}
      {unused.length > 0 && (
        <li className="px-4 py-2.5 text-[13px] text-soft">Not set up: {unused.join(", ")}</li>
      )}
    </ul>
  );
}

/** An integration: what it is, whether it is there, its last error, how calls to it are protected, and its switch. */
export function DependencyRow({ item }: { item: Dependency }) {
  const { word, tone } = wordOf(item);
  return (
    <li className="flex flex-wrap items-start justify-between gap-x-4 gap-y-1.5 px-4 py-2.5">
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-center gap-2">
          <span className="font-medium">{item.title}</span>
          <span className={`rounded-full px-2 py-0.5 text-[13px] font-medium ${TONES[tone]}`}>{word}</span>
        </p>
        <p className="text-[13px] text-soft">
          {[item.configured, item.version && `version ${item.version}`].filter(Boolean).join(", ")}
          {item.checked_at && (
            <>
              , <Ago at={item.checked_at} prefix="looked at " />
            </>
          )}
        </p>
        {item.degraded && <p className="mt-1 text-[13px]">{item.degraded}</p>}
        <Last item={item} />
        {breakerOf(item) && <p className="text-[13px] text-soft">Breaker: {breakerOf(item)}</p>}
        {policyOf(item) && <p className="text-[13px] text-soft">Calls: {policyOf(item)}</p>}
      </div>
      {item.state && <Switch item={item} />}
    </li>
  );
}

function Last({ item }: { item: Dependency }) {
  const last = item.last_error;
  if (!last) return null;
  return (
    <p className="text-[13px] break-words">
      Last error <Ago at={last.at} />: {last.reason ?? last.message.replace(/\.$/, "")} (
      <a href={`/errors/${last.code}`} className="text-accent underline underline-offset-2">
        {last.code}
      </a>
      , trace <span className="font-mono break-all">{last.trace_id}</span>)
    </p>
  );
}

function Switch({ item }: { item: Dependency }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const done = {
    onSuccess: () =>
      Promise.all(["dependencies", "system"].map((key) => client.invalidateQueries({ queryKey: [key] }))),
    onError: tell,
  };
  const isolate = useMutation({ mutationFn: () => api.isolate(item.name), ...done });
  const reset = useMutation({ mutationFn: () => api.reset(item.name), ...done });
  const refused = isolate.error ?? reset.error;
  const forget = () => {
    isolate.reset();
    reset.reset();
  };
  const closed = item.state === "CLOSED";
  return (
    <>
      <Button
        small
        busy={isolate.isPending || reset.isPending}
        onClick={() => (closed ? setAsking(true) : reset.mutate())}
        title={
          closed ? "Refuses all calls until it is reset" : "Lets calls through again and forgets the failures"
        }
      >
        {closed ? "Switch off" : "Reset"}
        <span className="sr-only"> {item.title}</span>
      </Button>
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
      {refused instanceof ApiError && (
        <div className="basis-full">
          <ErrorAlert error={refused} onDismiss={forget} />
        </div>
      )}
    </>
  );
}
