// The failures of a group one by one, as they happened.

import { Link } from "@tanstack/react-router";
import { Copy } from "lucide-react";
import type { GroupDetail, OccurrenceView } from "../../generated/api";
import { useCopy } from "../../hooks/useCopy";
import { useGroupOccurrences } from "../../hooks/useErrorGroups";
import { many } from "../../lib/errorGroups";
import { Code } from "../Code";
import { CardError } from "../Failures";
import { Ago, Button, Card, Empty, Loading, linkClass } from "../ui";

export function Occurrences({ group }: { group: GroupDetail }) {
  const found = useGroupOccurrences(String(group.group_id));
  const items = [
    ...new Map(
      found.data?.pages.flatMap((page) => page.items).map((item) => [item.occurrence_id, item]),
    ).values(),
  ];
  const uncounted = found.data && !found.hasNextPage && items.length < group.count;
  return (
    <Card id="occurrences" title="Occurrences" flush className="self-start">
      {found.error && !found.data && <CardError error={found.error} onRetry={() => found.refetch()} />}
      {!found.data && !found.error && <Loading what="occurrences" />}
      {found.data && !items.length && (
        <Empty title="None is kept any more">The counts stay; the failures themselves were too old.</Empty>
      )}
      {items.length > 0 && (
        <ol className="divide-y divide-line">
          {items.map((item) => (
            <Occurrence key={item.occurrence_id} item={item} />
          ))}
        </ol>
      )}
      {found.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button busy={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
            {found.isFetchingNextPage ? "Loading more" : "Show more"}
          </Button>
        </div>
      )}
      {uncounted && items.length > 0 && (
        <p className="border-t border-line px-4 py-2 text-[13px] text-soft">
          {many(group.count - items.length, "more was", "more were")} counted and not kept: they are too old,
          or part of a storm.
        </p>
      )}
    </Card>
  );
}

function Occurrence({ item }: { item: OccurrenceView }) {
  return (
    <li className="px-4 py-2.5">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-0.5">
        <p className="flex min-w-0 flex-wrap items-baseline gap-x-3">
          <Where item={item} />
          {item.user && <span className="text-[13px] text-soft">by {item.user}</span>}
        </p>
        <span className="text-[13px] text-soft">
          <Ago at={item.at} />
        </span>
      </div>
      <p className="mt-0.5 break-words">
        <Code text={item.error.message} />
      </p>
      <p className="mt-0.5 flex flex-wrap items-center gap-x-4 gap-y-0.5 text-[13px] text-soft">
        {item.entity && <code className="font-mono break-all">{item.entity}</code>}
        {item.trace_id && <TraceId id={item.trace_id} />}
      </p>
      {item.report && <Report report={item.report} />}
    </li>
  );
}

/** The attempt, the request or the page that it happened in. */
function Where({ item }: { item: OccurrenceView }) {
  if (item.job_id) {
    const attempt = item.attempt ?? undefined;
    return (
      <Link
        to="/jobs/$jobId"
        params={{ jobId: item.job_id }}
        search={{ attempt }}
        className={`${linkClass} font-medium`}
      >
        {item.job_id}
        {attempt && `, attempt ${attempt}`}
      </Link>
    );
  }
  return (
    <code className="font-mono text-[13px] break-all">
      {[item.method, item.endpoint].filter(Boolean).join(" ") || "no request"}
      {item.status && ` → ${item.status}`}
    </code>
  );
}

function TraceId({ id }: { id: string }) {
  const copy = useCopy();
  return (
    <span className="flex min-w-0 flex-wrap items-center gap-x-1">
      <span>Trace id</span>
      <Link
        to="/failures"
        search={{ q: id }}
        className={`${linkClass} font-mono break-all`}
        title="All that failed under it"
      >
        {id}
      </Link>
      <Button
        small
        look="ghost"
        onClick={() => copy(id, "Trace id copied")}
        aria-label={`Copy trace id ${id}`}
        title="Copy"
      >
        <Copy aria-hidden className="size-3.5" />
      </Button>
    </span>
  );
}

/** What the page told of its own failure: where it was, and the frames. */
function Report({ report }: { report: Record<string, unknown> }) {
  const { stack, ...rest } = report;
  const facts = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  return (
    <details className="mt-1 text-[13px]">
      <summary className="min-h-6 cursor-pointer text-soft">What the page told</summary>
      <dl className="mt-1 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="min-w-0 break-words">{String(value)}</dd>
          </div>
        ))}
      </dl>
      {typeof stack === "string" && (
        <pre className="mt-1 overflow-hidden rounded bg-hover p-2 font-mono text-xs break-all whitespace-pre-wrap">
          {stack}
        </pre>
      )}
    </details>
  );
}
