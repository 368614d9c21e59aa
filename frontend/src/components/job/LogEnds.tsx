// What stands in the place of a log that has no lines to show, and the way out of the page for one that has.

import type { Job } from "../../generated/api";
import { isFinal } from "../../lib/job";
import { Empty } from "../ui";

/** The line that the page's address names, from 0; null where it names none. */
export const hashLine = () => {
  const found = /^#L(\d+)$/.exec(location.hash);
  return found ? Number(found[1]) - 1 : null;
};

/** The address of a line: it stays right when another attempt has become the newest. */
export function address(attempt: number, line: number): string {
  const search = new URLSearchParams(location.search);
  search.set("attempt", String(attempt));
  return `${location.pathname}?${search}#L${line + 1}`;
}

interface NoLinesProps {
  job: Job;
  loading: boolean;
  lines: number;
  filtered: boolean;
}

export function NoLines({ job, loading, lines, filtered }: NoLinesProps) {
  if (loading) return <Empty title="Fetching the log" />;
  if (filtered && lines) return <Empty title="No line at this level">{`There are ${lines} others.`}</Empty>;
  if (job.attempt === 0) {
    return isFinal(job) ? (
      <Empty title="No log">The job ended before a training was started.</Empty>
    ) : (
      <Empty title="Not started yet">The log begins with the first attempt.</Empty>
    );
  }
  if (isFinal(job)) return <Empty title="The training printed nothing" />;
  if (job.status === "waiting")
    return <Empty title="The attempt printed nothing">The log goes on with the next attempt.</Empty>;
  return <Empty title="Nothing printed yet">Lines appear here as the training prints them.</Empty>;
}

/** Hands the whole log of an attempt over as a file. */
export function download(text: string, jobId: string, attempt: number) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${jobId}-attempt-${attempt}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
