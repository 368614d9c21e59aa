// Whom and what a group hit.

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { AffectedView, GroupDetail } from "../../generated/api";
import { many } from "../../lib/errorGroups";
import { Ago, Card, Facts, linkClass } from "../ui";

export function Impact({ group }: { group: GroupDetail }) {
  const own = group.jobs === null;
  return (
    <Card id="impact" title="Impact">
      <Facts
        items={[
          ["Failures", `${group.count.toLocaleString("en")}${own ? ", yours" : ""}`],
          ...(group.jobs === null ? [] : [["Jobs", group.jobs.toLocaleString("en")] as [string, ReactNode]]),
          ...(group.users === null
            ? []
            : [["Users", group.users.toLocaleString("en")] as [string, ReactNode]]),
          ["First seen", <Ago key="first" at={group.first_seen} />],
          ["Last seen", <Ago key="last" at={group.last_seen} />],
        ]}
      />
      {own && <p className="mt-2 text-[13px] text-soft">Counts and lists are of your own failures.</p>}
      <Hit title="Jobs" rows={group.affected_jobs} all={group.jobs}>
        {(name) => (
          <Link to="/jobs/$jobId" params={{ jobId: name }} className={linkClass}>
            {name}
          </Link>
        )}
      </Hit>
      <Hit title="Users" rows={group.affected_users} all={group.users}>
        {(name) => name}
      </Hit>
      <Hit title="Named in it" rows={group.entities} all={null}>
        {(name) => (
          <Link to="/failures" search={{ entity: name }} className={`${linkClass} font-mono`}>
            {name}
          </Link>
        )}
      </Hit>
    </Card>
  );
}

interface HitProps {
  title: string;
  rows: AffectedView[];
  /** How many there are in all, where that is known. */
  all: number | null;
  children: (name: string) => ReactNode;
}

function Hit({ title, rows, all, children }: HitProps) {
  if (!rows.length) return null;
  const more = (all ?? 0) - rows.length;
  return (
    <>
      <h3 className="mt-4 mb-1 text-xs font-semibold tracking-wide text-soft uppercase">{title}</h3>
      <ul aria-label={title} className="flex flex-col gap-1 text-[13px]">
        {rows.map((row) => (
          <li key={row.name} className="flex flex-wrap justify-between gap-x-3">
            <span className="min-w-0 break-all">{children(row.name)}</span>
            <span className="text-soft">
              {row.count > 1 && `${many(row.count, "time")}, `}
              <Ago at={row.last_at} />
            </span>
          </li>
        ))}
      </ul>
      {more > 0 && (
        <p className="mt-1 text-[13px] text-soft">
          The newest {rows.length}; {more.toLocaleString("en")} more were hit.
        </p>
      )}
    </>
  );
}
