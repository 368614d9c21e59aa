// What a group is and what can be done about it, in words before ids.

import { Link } from "@tanstack/react-router";
import type { GroupDetail, PastFix } from "../../generated/api";
import { causeText, SOURCES } from "../../lib/errorGroups";
import { safeUrl } from "../../lib/fixes";
import { Code } from "../Code";
import { Card, Facts, linkClass } from "../ui";

export function What({ group }: { group: GroupDetail }) {
  const error = group.occurrences[0]?.error;
  const about = safeUrl(group.doc_url);
  return (
    <Card id="what" title="What it is">
      {error && (
        <p className="font-medium break-words">
          <Code text={error.message} />
        </p>
      )}
      {!error?.message.includes(group.line) && (
        <pre className="mt-2 rounded bg-hover px-2 py-1.5 font-mono text-[13px] break-words whitespace-pre-wrap">
          {group.line}
        </pre>
      )}
      <div className="mt-3">
        <Facts
          items={[
            [
              "Code",
              <span key="code">
                {about ? (
                  <a href={about} target="_blank" rel="noreferrer" className={linkClass}>
                    About <code className="font-mono">{group.code}</code>
                  </a>
                ) : (
                  <code className="font-mono">{group.code}</code>
                )}
              </span>,
            ],
            ["Cause", causeText(group.causer, group.source)],
            ["Severity", group.severity],
            ["From", SOURCES[group.source] ?? group.source],
            ...(group.entity
              ? [["Named last", <code key="entity">{group.entity}</code>] as [string, React.ReactNode]]
              : []),
          ]}
        />
      </div>
    </Card>
  );
}

export function WhatToDo({ group }: { group: GroupDetail }) {
  const action = group.occurrences[0]?.error.suggested_action;
  return (
    <Card id="what-to-do" title="What to do">
      {action && (
        <p className="mb-2">
          <Code text={action} />
        </p>
      )}
      {group.fixes.length > 0 ? (
        <>
          <h3 className="mb-1 text-xs font-semibold tracking-wide text-soft uppercase">What worked before</h3>
          <ul className="flex flex-col gap-1.5">
            {group.fixes.map((fix) => (
              <FixRow key={fix.text} fix={fix} />
            ))}
          </ul>
        </>
      ) : (
        group.source === "job" && (
          <p className="text-[13px] text-soft">
            No job that failed like this was tried again and has succeeded yet.
          </p>
        )
      )}
      {!action && group.source !== "job" && !group.fixes.length && (
        <p className="text-soft">Its page says what is known of it.</p>
      )}
    </Card>
  );
}

function FixRow({ fix }: { fix: PastFix }) {
  return (
    <li>
      <p>
        {fix.text},{" "}
        <Link to="/jobs/$jobId" params={{ jobId: fix.example }} className={linkClass}>
          as in {fix.example}
        </Link>
      </p>
      <div aria-hidden className="mt-0.5 h-1.5 max-w-60 overflow-hidden rounded-full bg-hover">
        <div
          className="h-full rounded-full bg-good"
          style={{ width: `${(fix.worked / Math.max(1, fix.tried)) * 100}%` }}
        />
      </div>
    </li>
  );
}
