// How a group stands, what became of it until now, and the switch of its state.

import { useEffect, useRef, useState } from "react";
import type { GroupDetail, PastState, StateChange } from "../../generated/api";
import { useGroupState } from "../../hooks/useErrorGroups";
import { useIsOperator } from "../../hooks/useSession";
import { presentation } from "../../lib/presentation";
import { ApiError } from "../../services/api";
import { ErrorAlert } from "../ErrorAlert";
import { StatusBadge } from "../Status";
import { Ago, Button, Card, inputClass } from "../ui";

const MEANS: Record<GroupDetail["state"], string> = {
  open: "Nobody has resolved it yet.",
  regressed: "It was resolved and has come back.",
  resolved: "It is called regressed by itself if it comes back.",
  ignored: "It is counted on, and stays ignored.",
};

export function StateCard({ group }: { group: GroupDetail }) {
  const operator = useIsOperator();
  return (
    <Card id="state" title="State">
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <StatusBadge status={group.state} />
        <span className="text-soft" role="status">
          {MEANS[group.state]}
        </span>
      </p>
      {operator ? (
        <Change group={group} />
      ) : (
        <p className="mt-2 text-[13px] text-soft">Operators can resolve or ignore it.</p>
      )}
      <History group={group} />
    </Card>
  );
}

function Change({ group }: { group: GroupDetail }) {
  const [note, setNote] = useState("");
  const change = useGroupState(group);
  const to = (state: StateChange["state"]) =>
    change.mutate({ state, note: note.trim() || null }, { onSuccess: () => setNote("") });
  const buttons = useRef<HTMLDivElement>(null);
  const pending = change.isPending;
  const acted = useRef(false);
  useEffect(() => {
    // A button that waits or goes takes the focus with it: whoever works by keyboard goes on at the one that is there now.
    if (acted.current && !pending && document.activeElement === document.body)
      buttons.current?.querySelector("button")?.focus();
    acted.current = pending;
  }, [pending]);
  const settled = group.state === "resolved" || group.state === "ignored";
  return (
    <div className="mt-3">
      <label className="block text-[13px] text-soft">
        Note for whoever looks next (optional)
        <input
          className={`${inputClass} mt-1`}
          value={note}
          maxLength={500}
          onChange={(event) => setNote(event.target.value)}
        />
      </label>
      <div ref={buttons} className="mt-2 flex flex-wrap gap-2">
        {settled ? (
          <Button busy={pending} onClick={() => to("open")}>
            Reopen
          </Button>
        ) : (
          <>
            <Button look="primary" busy={pending} onClick={() => to("resolved")}>
              Resolve
            </Button>
            <Button busy={pending} onClick={() => to("ignored")}>
              Ignore
            </Button>
          </>
        )}
      </div>
      {change.error instanceof ApiError && change.error.code !== "INVALID_TOKEN" && (
        <div className="mt-3">
          <ErrorAlert
            error={change.error}
            announce={presentation("own-action").announce}
            onRetry={change.variables && (() => to(change.variables.state))}
            onDismiss={() => change.reset()}
          />
        </div>
      )}
    </div>
  );
}

const CHANGED: Record<PastState["state"], string> = {
  open: "Reopened",
  regressed: "Came back",
  resolved: "Resolved",
  ignored: "Ignored",
};

/** What became of it, newest first. */
function History({ group }: { group: GroupDetail }) {
  const rows: { key: string; at: string; what: string; note?: string | null }[] = [
    { key: "last", at: group.last_seen, what: "Last seen" },
    ...group.history.map(({ at, state, by, note }) => ({
      key: `${at} ${state}`,
      at,
      what: by ? `${CHANGED[state]} by ${by}` : CHANGED[state],
      note,
    })),
    ...group.fingerprints.slice(1).map(({ fingerprint, since }) => ({
      key: fingerprint,
      at: since,
      what: `Known as ${fingerprint.split(":")[0]} too`,
    })),
    { key: "first", at: group.first_seen, what: "First seen" },
  ];
  rows.sort((a, b) => b.at.localeCompare(a.at));
  return (
    <>
      <h3 className="mt-4 mb-1 text-xs font-semibold tracking-wide text-soft uppercase">History</h3>
      <ol className="flex flex-col gap-1 text-[13px]">
        {rows.map(({ key, at, what, note }) => (
          <li key={key} className="flex justify-between gap-x-3">
            <span className="min-w-0 break-words">
              {what}
              {note && <span className="text-soft">: “{note}”</span>}
            </span>
            <span className="shrink-0 text-soft">
              <Ago at={at} />
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}
