// What the team on call is told: what fires in Alertmanager, and what this backend told at once.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BellOff, BellRing, CheckCircle2, TriangleAlert } from "lucide-react";
import { useState } from "react";
import type { HeldAlert, HeldAlerts, SystemAlerts, ToldAlert } from "../generated/api";
import { useIsOperator } from "../hooks/useSession";
import { safeUrl } from "../lib/fixes";
import { pace } from "../lib/pace";
import { api } from "../services/api";
import { Code } from "./Code";
import { CardError } from "./Failures";
import { Ago, Button, Card, Loading, linkClass } from "./ui";

const EVERY = 10_000;
const SHOWN = 3;

/** For operators alone: alerts name the jobs of all. */
export function Alerts() {
  const operator = useIsOperator();
  const found = useQuery({
    queryKey: ["alerts"],
    queryFn: api.alerts,
    enabled: operator,
    refetchInterval: ({ state }) => pace(EVERY, state),
  });
  if (!operator) return null;
  return (
    <Card id="alerts" title="Alerts" flush>
      {found.error && !found.data && <CardError error={found.error} onRetry={() => found.refetch()} />}
      {!found.data && !found.error && <Loading what="alerts" />}
      {found.data && <Parts alerts={found.data} />}
    </Card>
  );
}

function Parts({ alerts }: { alerts: SystemAlerts }) {
  return (
    <>
      {alerts.alertmanager && <Firing held={alerts.alertmanager} />}
      <Told alerts={alerts} />
    </>
  );
}

function Firing({ held }: { held: HeldAlerts }) {
  return (
    <div className="border-b border-line">
      <Heading text="Firing now" />
      {!held.reachable && (
        <p role="status" className="flex items-start gap-2 px-4 pb-3">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
          <span>
            Alertmanager cannot be asked: <Code text={held.reason ?? "no reason told"} />
          </span>
        </p>
      )}
      {held.reachable && !held.items.length && (
        <p className="flex items-center gap-2 px-4 pb-3 text-good">
          <CheckCircle2 aria-hidden className="size-4 shrink-0" /> Nothing
        </p>
      )}
      <ul className="divide-y divide-line">
        {held.items.map((item) => (
          <HeldRow key={`${item.name} ${item.since} ${JSON.stringify(item.labels)}`} item={item} />
        ))}
      </ul>
      {held.total > held.items.length && (
        <p className="px-4 pb-3 text-[13px] text-soft">
          {held.items.length} of {held.total.toLocaleString("en")}
        </p>
      )}
    </div>
  );
}

const tones: Record<string, string> = { critical: "text-bad", high: "text-bad", warning: "text-warn" };

function HeldRow({ item }: { item: HeldAlert }) {
  const quiet = item.state !== "firing";
  const Icon = quiet ? BellOff : BellRing;
  return (
    <li className="flex items-start gap-2 px-4 py-2.5">
      <Icon
        aria-hidden
        className={`mt-0.5 size-4 shrink-0 ${quiet ? "text-soft" : (tones[item.severity ?? ""] ?? "text-warn")}`}
      />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline justify-between gap-x-3">
          <strong className="font-medium break-all">{item.name}</strong>
          <span className="text-[13px] text-soft">
            <Ago at={item.since} />
          </span>
        </p>
        {item.summary && <p className="break-words">{item.summary}</p>}
        <p className="flex flex-wrap gap-x-3 text-[13px] text-soft">
          {quiet && <span>{item.state}</span>}
          {item.severity && <span>{item.severity}</span>}
          {item.owner && <span>for {item.owner}</span>}
          <Runbook url={item.runbook} of={item.name} />
        </p>
      </div>
    </li>
  );
}

function Told({ alerts: { told, receiver, alertmanager } }: { alerts: SystemAlerts }) {
  const [all, setAll] = useState(false);
  const shown = all ? told : told.slice(0, SHOWN);
  return (
    <>
      <Heading text="Told at once" />
      {!told.length && (
        <p className="px-4 pb-3 text-soft">
          Nothing critical, new or back since this backend was started, but what users mend themselves.
        </p>
      )}
      <ul className="divide-y divide-line">
        {shown.map((item) => (
          <ToldRow
            key={[
              item.at,
              item.kind,
              item.code,
              item.trace_id,
              item.group_id,
              item.job_id,
              item.outcome,
            ].join(" ")}
            item={item}
          />
        ))}
      </ul>
      {told.length > SHOWN && (
        <div className="border-t border-line px-4 py-2">
          <Button small look="ghost" onClick={() => setAll(!all)} aria-expanded={all}>
            {all ? "Show the newest only" : `Show all ${told.length}`}
          </Button>
        </div>
      )}
      {!receiver && (
        <p className="border-t border-line px-4 py-2.5 text-[13px] text-soft">
          <strong className="font-medium text-warn">Nobody is told of these.</strong>{" "}
          <Code text="Set `VTP_ALERT_URL` to a chat's webhook or to an Alertmanager" />
          {!alertmanager && <Code text="; with `VTP_ALERTMANAGER_URL` this also shows what fires" />}.
        </p>
      )}
    </>
  );
}

const kinds = { critical: "Critical", new: "New", regressed: "Back again" };

function ToldRow({ item }: { item: ToldAlert }) {
  return (
    <li className="px-4 py-2.5">
      <p className="flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="min-w-0">
          <span className={`font-medium ${item.kind === "new" ? "text-warn" : "text-bad"}`}>
            {kinds[item.kind]}:
          </span>{" "}
          <Subject item={item} />
          {item.times > 1 && <span className="text-soft"> {item.times.toLocaleString("en")} times</span>}
        </span>
        <span className="text-[13px] text-soft">
          <Ago at={item.at} />
        </span>
      </p>
      <p className="break-words">
        <Code text={item.message} />
      </p>
      <p className="flex flex-wrap gap-x-3 text-[13px] text-soft">
        <code className="font-mono">{item.code}</code>
        {item.owner && <span>for {item.owner}</span>}
        <Runbook url={item.runbook} of={item.title} />
      </p>
      {item.outcome === "failed" && (
        <p className="text-[13px] text-bad">Not delivered: {item.reason ?? "no reason told"}</p>
      )}
      {item.outcome === "dropped" && (
        <p className="text-[13px] text-bad">Not delivered: too many waited before it</p>
      )}
    </li>
  );
}

/** What happened, leading to where it is looked at. */
function Subject({ item }: { item: ToldAlert }) {
  if (item.group_id !== null) {
    return (
      <Link to="/failures/$groupId" params={{ groupId: String(item.group_id) }} className={linkClass}>
        {item.title}
      </Link>
    );
  }
  if (item.job_id) {
    return (
      <Link to="/jobs/$jobId" params={{ jobId: item.job_id }} className={linkClass}>
        {item.title}, {item.job_id}
      </Link>
    );
  }
  if (item.trace_id) {
    return (
      <Link to="/failures" search={{ q: item.trace_id }} className={linkClass}>
        {item.title}
      </Link>
    );
  }
  return <span>{item.title}</span>;
}

function Runbook({ url, of }: { url: string | null; of: string }) {
  const safe = safeUrl(url);
  if (!safe) return null;
  return (
    <a href={safe} target="_blank" rel="noreferrer" className={linkClass}>
      {safe.includes("/errors/") ? "About it" : "Runbook"}
      <span className="sr-only"> of {of}</span>
    </a>
  );
}

function Heading({ text }: { text: string }) {
  return <h3 className="px-4 pt-3 pb-1 text-xs font-semibold tracking-wide text-soft uppercase">{text}</h3>;
}
