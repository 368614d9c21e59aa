import { ArrowRight } from "lucide-react";
import { type Change, valueText } from "../lib/job";

/** What changes in a configuration: name, value before, value after. */
export function Diff({ changes, empty = "No change" }: { changes: Change[]; empty?: string }) {
  if (!changes.length) return <p className="text-[13px] text-soft">{empty}</p>;
  return (
    <ul className="flex flex-col gap-0.5 font-mono text-[13px]">
      {changes.map((change) => (
        <li key={change.path} className="flex flex-wrap items-center gap-x-1.5">
          <span className="text-soft">{change.path}</span>
          <del className="rounded bg-bad-ground px-1 text-bad no-underline">
            <span className="sr-only">was </span>
            {valueText(change.before)}
          </del>
          <ArrowRight aria-hidden className="size-3.5 text-soft" />
          <ins className="rounded bg-good-ground px-1 text-good no-underline">
            <span className="sr-only">becomes </span>
            {valueText(change.after)}
          </ins>
        </li>
      ))}
    </ul>
  );
}
