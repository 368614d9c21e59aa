// What the last seven days were like, beside the seven before.

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Digest, DigestGroup } from "../../generated/api";
import { useCopy } from "../../hooks/useCopy";
import { causeText, changeText, many } from "../../lib/errorGroups";
import { pace } from "../../lib/pace";
import { errorGroups } from "../../services/errorGroups";
import { CardError } from "../Failures";
import { Button, Card, linkClass } from "../ui";

const EVERY = 60_000;
const SHOWN = 5;

export function Week() {
  const week = useQuery({
    queryKey: ["failures", "digest"],
    queryFn: errorGroups.digest,
    refetchInterval: ({ state }) => pace(EVERY, state),
  });
  const copy = useCopy();
  if (!week.data && !week.error) return null;
  if (week.data && !week.data.total && !week.data.before) return null;
  return (
    <Card
      id="week"
      title="Last 7 days"
      className="mb-3"
      actions={
        week.data && (
          <Button
            small
            look="ghost"
            onClick={() => copy(week.data.text, "Digest copied as Markdown")}
            title="To send around"
          >
            Copy as Markdown
          </Button>
        )
      }
    >
      {week.data ? (
        <Figures digest={week.data} />
      ) : (
        week.error && <CardError error={week.error} onRetry={() => week.refetch()} />
      )}
    </Card>
  );
}

function Figures({ digest }: { digest: Digest }) {
  const change = changeText(digest.total, digest.before);
  const causers = Object.entries(digest.by_causer).slice(0, 3);
  return (
    <>
      <p>
        <strong className="font-semibold">{many(digest.total, "failure")}</strong>
        {change && `, ${change}`}; {many(digest.failed_jobs, "training")} ended as failed.{" "}
        {causers.length > 0 && (
          <span className="text-soft">
            Cause:{" "}
            {causers
              .map(([causer, count]) => `${causeText(causer)} ${count.toLocaleString("en")}`)
              .join(", ")}
            .
          </span>
        )}
      </p>
      <div className="mt-2 flex flex-wrap items-start gap-x-8 gap-y-1">
        <Kinds title="new" none="No kind is new" groups={digest.new} />
        <Kinds title="regressed" none="None has come back" groups={digest.regressed} />
      </div>
    </>
  );
}

/** A digest tells ten of a sort at most. */
const MOST = 10;

function Kinds({ title, none, groups }: { title: string; none: string; groups: DigestGroup[] }) {
  if (!groups.length) return <p className="text-[13px] text-soft">{none}</p>;
  const count = groups.length < MOST ? groups.length : `${MOST} or more`;
  return (
    <details className="min-w-0 text-[13px]">
      <summary className="min-h-6 cursor-pointer">
        {count} {title}
      </summary>
      <ul className="mt-1 flex flex-col gap-1">
        {groups.slice(0, SHOWN).map((group) => (
          <li key={group.group_id} className="flex min-w-0 gap-2">
            <span className="shrink-0 text-soft tabular-nums">{group.count.toLocaleString("en")} ×</span>
            <Link
              to="/failures/$groupId"
              params={{ groupId: String(group.group_id) }}
              className={`${linkClass} min-w-0 truncate`}
              title={`${group.code}: ${group.line}`}
            >
              {group.line}
            </Link>
          </li>
        ))}
      </ul>
    </details>
  );
}
