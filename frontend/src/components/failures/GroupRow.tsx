import { Link } from "@tanstack/react-router";
import { Wrench } from "lucide-react";
import { memo, useEffect, useRef, useState } from "react";
import type { GroupView } from "../../generated/api";
import { useErrorGroup } from "../../hooks/useErrorGroups";
import { causeText, hitText, many, SOURCES } from "../../lib/errorGroups";
import type { FailureSearch } from "../../router";
import { StatusBadge } from "../Status";
import { Ago } from "../ui";
import { Sparkline } from "./Sparkline";

interface Props {
  group: GroupView;
  onNarrow: (change: FailureSearch) => void;
}

/** One group of the list: what fails, how it stands, how often it comes, whom it hits, what helped before. */
export const GroupRow = memo(function GroupRow({ group, onNarrow }: Props) {
  const id = String(group.group_id);
  const hit = hitText(group);
  return (
    <div className="relative grid gap-x-4 gap-y-1.5 px-4 py-2.5 focus-within:bg-hover hover:bg-hover md:grid-cols-[minmax(0,1fr)_9.5rem_8rem_8rem] md:items-start">
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <StatusBadge status={group.state} />
          <Link
            to="/failures/$groupId"
            params={{ groupId: id }}
            data-row
            className="font-medium break-words text-ink no-underline after:absolute after:inset-0 hover:underline"
          >
            {group.title}
          </Link>
        </div>
        <p className="mt-1 truncate font-mono text-[13px]" title={group.line}>
          {group.line}
        </p>
        <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-[13px] text-soft">
          <button
            type="button"
            onClick={() => onNarrow({ code: group.code })}
            title={`Only ${group.code}`}
            className="relative z-1 min-h-6 rounded bg-bad-ground px-1.5 font-mono text-xs break-all text-bad hover:underline"
          >
            {group.code}
          </button>
          <span>{SOURCES[group.source]}</span>
          <span>cause: {causeText(group.causer, group.source)}</span>
          {group.entity && !group.line.includes(group.entity) && (
            <button
              type="button"
              onClick={() => onNarrow({ entity: group.entity ?? undefined })}
              title={`Only what named ${group.entity}`}
              className="relative z-1 min-h-6 max-w-full truncate font-mono text-xs hover:underline"
            >
              {group.entity}
            </button>
          )}
        </p>
        {group.source === "job" && <WhatHelped id={id} />}
      </div>
      <div className="flex items-end justify-between gap-x-3 md:contents">
        <Sparkline trend={group.trend} />
        <p className="flex flex-col text-[13px]">
          <strong className="font-semibold tabular-nums">{many(group.count, "time")}</strong>
          <span className="text-soft">{hit ?? "yours"}</span>
        </p>
        <p className="flex flex-col items-end text-right text-[13px]">
          <Ago at={group.last_seen} />
          <span className="text-soft max-md:hidden">
            <Ago at={group.first_seen} prefix="first " />
          </span>
        </p>
      </div>
    </div>
  );
});

/** What made jobs of this group work, asked for as soon as the row is in view; the group's page then opens at once. */
function WhatHelped({ id }: { id: string }) {
  const place = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const shown = place.current;
    if (!shown || seen) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) setSeen(true);
    });
    observer.observe(shown);
    return () => observer.disconnect();
  }, [seen]);
  return (
    <div ref={place} className="min-h-px">
      {seen && <Fix id={id} />}
    </div>
  );
}

function Fix({ id }: { id: string }) {
  const { data } = useErrorGroup(id, false);
  if (!data?.fix) return null;
  return (
    <p className="mt-1 flex items-center gap-1.5 text-[13px] text-good">
      <Wrench aria-hidden className="size-3.5 shrink-0" />
      {data.fix.text}
    </p>
  );
}
