// The output of an attempt: live, searchable, with an address for every line.

import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ChevronDown, ChevronUp } from "lucide-react";
import {
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { Job } from "../../generated/api";
import { isFinal } from "../../lib/job";
import { find, type LogLine, type LogStore, level, locate } from "../../lib/logStore";
import { Button, Empty, inputClass } from "../ui";
import { Line, useFollow } from "./LogLines";

const ROW = 20;

export interface LogHandle {
  /** Shows the line that an evidence line was taken from. */
  show: (evidence: string) => void;
  focus: () => void;
}

interface LogProps {
  job: Job;
  store: LogStore;
  attempt: number;
  loading: boolean;
  handle: Ref<LogHandle>;
  chooser: ReactNode;
}

const hashLine = () => {
  const found = /^#L(\d+)$/.exec(location.hash);
  return found ? Number(found[1]) - 1 : null;
};

export function Log({ job, store, attempt, loading, handle, chooser }: LogProps) {
  const version = useSyncExternalStore(store.subscribe, () => store.version);
  const lines = store.lines(attempt);
  const box = useRef<HTMLDivElement>(null);
  const [words, setWords] = useState("");
  const [hit, setHit] = useState(0);
  const [problemsOnly, setProblemsOnly] = useState(false);
  const [wrap, setWrap] = useState(false);
  const [chosen, setChosen] = useState<number | null>(hashLine);
  const [following, setFollowing] = useState(() => hashLine() === null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: lines are appended to in place, `version` tells
  const shown = useMemo(() => visible(lines, problemsOnly), [lines, problemsOnly, version]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same
  const hits = useMemo(() => find(lines, words), [lines, words, version]);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 20,
  });
  useFollow(box, following, setFollowing, version);

  const show = (line: number) => {
    setFollowing(false);
    setProblemsOnly(false);
    requestAnimationFrame(() => rows.scrollToIndex(line, { align: "center" }));
  };
  const choose = (line: number) => {
    setChosen(line);
    history.replaceState(history.state, "", `#L${line + 1}`);
  };
  const step = (by: number) => {
    const next = (hit + by + hits.length) % hits.length;
    setHit(next);
    const line = hits[next];
    if (line !== undefined) show(line);
  };
  useImperativeHandle(handle, () => ({
    show: (evidence) => {
      const line = locate(lines, evidence);
      if (line === null) return;
      choose(line);
      show(line);
      box.current?.focus();
    },
    focus: () => box.current?.focus(),
  }));
  // An address with a line opens there, as soon as the log is there.
  const opened = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when enough lines have come
  useEffect(() => {
    if (opened.current || chosen === null || lines.length <= chosen) return;
    opened.current = true;
    show(chosen);
  }, [version]);

  return (
    <>
      <div className="flex flex-wrap items-center gap-1.5 border-b border-line px-3 py-2">
        {chooser}
        <input
          type="search"
          aria-label="Search the log"
          placeholder="Search the log"
          className={`${inputClass} !min-h-7 !w-auto min-w-32 flex-1 text-[13px]`}
          value={words}
          onChange={(event) => {
            setWords(event.target.value);
            setHit(0);
          }}
          onKeyDown={(event) => event.key === "Enter" && hits.length > 0 && step(event.shiftKey ? -1 : 1)}
        />
        {words && (
          <span className="flex items-center text-[13px] text-soft tabular-nums">
            <span role="status">
              {hits.length ? `${Math.min(hit + 1, hits.length)} of ${hits.length}` : "not found"}
            </span>
            <Button
              small
              look="ghost"
              aria-label="Previous hit"
              disabled={!hits.length}
              onClick={() => step(-1)}
            >
              <ChevronUp aria-hidden className="size-4" />
            </Button>
            <Button small look="ghost" aria-label="Next hit" disabled={!hits.length} onClick={() => step(1)}>
              <ChevronDown aria-hidden className="size-4" />
            </Button>
          </span>
        )}
        <Button small look="ghost" aria-pressed={problemsOnly} onClick={() => setProblemsOnly(!problemsOnly)}>
          {problemsOnly ? "All lines" : "Problems only"}
        </Button>
        <Button small look="ghost" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
          {wrap ? "Do not wrap" : "Wrap"}
        </Button>
        <Button
          small
          look="ghost"
          disabled={!lines.length}
          onClick={() => download(store.text(attempt), job.job_id, attempt)}
        >
          Download
        </Button>
      </div>
      <div className="relative">
        <section
          ref={box}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
          tabIndex={0}
          aria-label="Lines of the log"
          className={`${lines.length ? "h-96" : "h-40"} overflow-auto py-1 font-mono text-[13px] leading-5`}
          data-lines={lines.length}
        >
          {!shown.length && (
            <NoLines job={job} loading={loading} lines={lines.length} filtered={problemsOnly} />
          )}
          <div className="relative min-w-full" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map((row) => {
              const number = shown[row.index] ?? 0;
              const line = lines[number];
              return (
                line && (
                  <div
                    key={row.key}
                    ref={wrap ? rows.measureElement : undefined}
                    data-index={row.index}
                    className={`absolute left-0 ${wrap ? "w-full" : "min-w-full"}`}
                    style={{ transform: `translateY(${row.start}px)` }}
                  >
                    <Line
                      line={line}
                      number={number + 1}
                      words={words}
                      chosen={chosen === number}
                      wrap={wrap}
                      href={`#L${number + 1}`}
                      onChoose={() => choose(number)}
                    />
                  </div>
                )
              );
            })}
          </div>
        </section>
        {!following && lines.length > 0 && (
          <Button small className="absolute right-4 bottom-3 shadow" onClick={() => setFollowing(true)}>
            <ArrowDown aria-hidden className="size-4" /> {isFinal(job) ? "To the end" : "Follow"}
          </Button>
        )}
      </div>
    </>
  );
}

/** Numbers of the lines to show: all, or those that speak of errors and warnings. */
function visible(lines: readonly LogLine[], problemsOnly: boolean): number[] {
  const all = Array.from(lines, (_, index) => index);
  return problemsOnly ? all.filter((index) => level(lines[index]?.text ?? "") !== null) : all;
}

interface NoLinesProps {
  job: Job;
  loading: boolean;
  lines: number;
  filtered: boolean;
}

function NoLines({ job, loading, lines, filtered }: NoLinesProps) {
  if (loading) return <Empty title="Fetching the log" />;
  if (filtered && lines)
    return <Empty title="No line speaks of an error or warning">{`There are ${lines} others.`}</Empty>;
  if (job.attempt === 0) {
    return isFinal(job) ? (
      <Empty title="No log">The job ended before a training was started.</Empty>
    ) : (
      <Empty title="Not started yet">The log begins with the first attempt.</Empty>
    );
  }
  if (isFinal(job)) return <Empty title="The training printed nothing" />;
  return <Empty title="Nothing printed yet">Lines appear here as the training prints them.</Empty>;
}

function download(text: string, jobId: string, attempt: number) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${jobId}-attempt-${attempt}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
