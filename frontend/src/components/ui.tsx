// The small parts that every page is made of.

import { type ReactNode, useEffect, useState } from "react";
import { useNow } from "../hooks/useNow";
import { ago } from "../lib/format";

export { Button, buttonClass } from "./Button";
export { Card } from "./Card";

export function PageHead({
  title,
  children,
  above,
}: {
  title: ReactNode;
  children?: ReactNode;
  above?: ReactNode;
}) {
  return (
    <div className="mb-4">
      {above && <div className="mb-1 text-[13px] text-soft">{above}</div>}
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 className="min-w-0 text-xl font-semibold break-words" tabIndex={-1}>
          {title}
        </h1>
        {children && <div className="flex flex-wrap items-center gap-2">{children}</div>}
      </div>
    </div>
  );
}

/** What is said where there is nothing: why, and what to do about it. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center gap-1.5 px-4 py-8 text-center font-sans text-sm">
      <p className="font-medium">{title}</p>
      {children && <p className="max-w-prose text-soft">{children}</p>}
      {action && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

/** A wait that is worth words that everybody can see. */
const LONG_MS = 4000;

/** A place that is being filled; after a while it says what it waits for. */
export function Loading({ what, rows = 3 }: { what: string; rows?: number }) {
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" className="flex flex-col gap-3 p-4">
      <span className={long ? "text-soft" : "sr-only"}>
        {long ? `Still loading ${what}; the platform is slow to answer` : `Loading ${what}`}
      </span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
        <div key={row} className="skeleton h-8" />
      ))}
    </div>
  );
}

export function Ago({ at, prefix = "" }: { at: string | null; prefix?: string }) {
  const now = useNow(5000);
  if (!at) return <span>–</span>;
  return (
    <time dateTime={at} title={`${new Date(at).toLocaleString()} (${at})`} className="whitespace-nowrap">
      {prefix}
      {ago(at, now)}
    </time>
  );
}

export function Progress({ value, label }: { value: number; label: string }) {
  const share = Math.max(0, Math.min(1, value));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      className="h-2 overflow-hidden rounded-full bg-hover"
    >
      <div
        className="h-full rounded-full bg-accent transition-[width]"
        style={{ width: `${share * 100}%` }}
      />
    </div>
  );
}

export function Facts({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-[13px]">
      {items.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export const inputClass =
  "min-h-9 w-full rounded-md border border-line bg-panel px-2.5 text-ink placeholder:text-soft aria-[invalid=true]:border-bad";
export const linkClass = "text-accent underline underline-offset-2";
