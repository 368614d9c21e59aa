import { Fragment } from "react";

/** Text in which `backticks` mark what is code. */
export function Code({ text }: { text: string }) {
  const parts = text.split(/`([^`]+)`/);
  return parts.map((part, index) =>
    index % 2 ? (
      <code key={index} className="rounded bg-hover px-1 font-mono text-[0.92em]">
        {part}
      </code>
    ) : (
      <Fragment key={index}>{part}</Fragment>
    ),
  );
}
