import { CircleX, ImageOff, TriangleAlert } from "lucide-react";
import { useState } from "react";
import type { DatasetReport, ProblemGroup } from "../../generated/api";
import { problemGroups } from "../../lib/dataset";
import { Code } from "../Code";
import { Button, Card } from "../ui";

const FEW = 8;

/** Every kind of problem with its count, and the files it was found in. */
export function Problems({ report }: { report: DatasetReport }) {
  const groups = problemGroups(report);
  return (
    <>
      <ul className="mb-4 flex flex-wrap gap-2" aria-label="Problems by kind">
        {groups.map((group) => (
          <li key={group.problem}>
            <a
              href={`#problem-${group.problem}`}
              className={`inline-flex items-center gap-1.5 rounded-full px-2.5 py-0.5 text-[13px] no-underline hover:underline ${group.severity === "error" ? "bg-bad-ground text-bad" : "bg-warn-ground text-warn"}`}
            >
              <Sign group={group} />
              {group.title}: {group.count.toLocaleString("en")}
            </a>
          </li>
        ))}
      </ul>
      <div className="flex flex-col gap-4">
        {groups.map((group) => (
          <Group key={group.problem} group={group} hidden={group.hidden} />
        ))}
      </div>
    </>
  );
}

function Sign({ group }: { group: ProblemGroup }) {
  const Icon = group.severity === "error" ? CircleX : TriangleAlert;
  return (
    <>
      <Icon aria-hidden className="size-4 shrink-0" />
      <span className="sr-only">{group.severity}: </span>
    </>
  );
}

function Group({ group, hidden }: { group: ProblemGroup; hidden: number }) {
  const [all, setAll] = useState(false);
  const pictures = group.items.some((item) => item.thumbnail);
  const items = all ? group.items : group.items.slice(0, FEW);
  return (
    <Card
      id={`problem-${group.problem}`}
      flush
      title={
        <span className={`flex items-center gap-2 ${group.severity === "error" ? "text-bad" : "text-warn"}`}>
          <Sign group={group} />
          <span className="text-ink">{group.title}</span>
          <span className="font-normal text-soft">{group.count.toLocaleString("en")}</span>
        </span>
      }
    >
      <ul className="divide-y divide-line">
        {items.map((item) => (
          <li key={`${item.file}:${item.line}:${item.detail}`} className="flex items-center gap-3 px-4 py-2">
            {pictures && <Thumbnail url={item.thumbnail ?? null} file={item.file} />}
            <div className="min-w-0">
              <p className="font-mono text-[13px] break-all">
                {item.file}
                {item.line !== null && <span className="text-soft">:{item.line}</span>}
              </p>
              {item.detail && (
                <p className="text-[13px] break-words text-soft">
                  <Code text={item.detail} />
                </p>
              )}
            </div>
          </li>
        ))}
      </ul>
      {(group.items.length > FEW || hidden > 0) && (
        <p className="flex flex-wrap items-center gap-3 border-t border-line px-4 py-2 text-[13px] text-soft">
          {group.items.length > FEW && (
            <Button small onClick={() => setAll(!all)}>
              {all ? "Show fewer" : `Show ${group.items.length} of ${group.count.toLocaleString("en")}`}
            </Button>
          )}
          {hidden > 0 && `${hidden.toLocaleString("en")} more are counted, not listed.`}
        </p>
      )}
    </Card>
  );
}

function Thumbnail({ url, file }: { url: string | null; file: string }) {
  if (!url) {
    return (
      <span
        title="Nothing of it can be shown"
        className="flex size-14 shrink-0 items-center justify-center rounded border border-line bg-hover text-soft"
      >
        <ImageOff aria-hidden className="size-5" />
        <span className="sr-only">no picture</span>
      </span>
    );
  }
  return (
    <img
      src={url}
      alt={`What can be read of ${file}`}
      loading="lazy"
      className="size-14 shrink-0 rounded border border-line bg-hover object-contain [image-rendering:pixelated]"
    />
  );
}
