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
import { useLogScan } from "../../hooks/useLogScan";
import { isFinal } from "../../lib/job";
import { atLeast, type LevelFilter, type LogLine, type LogStore, level, locate } from "../../lib/logStore";
import { Button, inputClass } from "../ui";
import { address, download, hashLine, NoLines } from "./LogEnds";
import { Line, useFollow } from "./LogLines";

const ROW = 20;
const LEVELS: Record<LevelFilter, string> = {
  all: "All lines",
  warnings: "Warnings and errors",
  errors: "Errors only",
};

export interface LogHandle {
  /** Shows the line that an evidence line was taken from. */
  show: (evidence: string) => void;
  /** Shows the first line that speaks of an error; false where there is none. */
  firstError: () => boolean;
  focus: () => void;
}

interface LogProps {
  job: Job;
  store: LogStore;
  attempt: number;
  loading: boolean;
  /** Lines that the diagnosis was made from; they are marked. */
  evidence: ReadonlySet<number>;
  handle: Ref<LogHandle>;
  chooser: ReactNode;
}

export function Log({ job, store, attempt, loading, evidence, handle, chooser }: LogProps) {
  const version = useSyncExternalStore(store.subscribe, () => store.version);
  const lines = store.lines(attempt);
  const box = useRef<HTMLDivElement>(null);
  const [words, setWords] = useState("");
  const [hit, setHit] = useState(0);
  const [filter, setFilter] = useState<LevelFilter>("all");
  const [wrap, setWrap] = useState(false);
  const [chosen, setChosen] = useState<number | null>(hashLine);
  const [following, setFollowing] = useState(() => hashLine() === null);

  const wanted = useMemo(() => atLeast(filter), [filter]);
  const shown = useLogScan(lines, version, wanted).found;
  const searching = useLogScan(
    lines,
    version,
    useMemo(() => contains(words), [words]),
  );
  const hits = searching.found ?? [];
  const rows = useVirtualizer({
    count: shown?.length ?? lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 20,
  });
  useFollow(box, following, setFollowing, version);

  const show = (line: number) => {
    setFollowing(false);
    setFilter("all");
    requestAnimationFrame(() => rows.scrollToIndex(line, { align: "center" }));
  };
  const choose = (line: number) => {
    setChosen(line);
    history.replaceState(history.state, "", address(attempt, line));
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
    firstError: () => {
      const line = evidence.size ? Math.min(...evidence) : firstOf(lines);
      if (!Number.isFinite(line)) return false;
      choose(line);
      show(line);
      box.current?.focus();
      return true;
    },
    focus: () => box.current?.focus(),
  }));
  // Opens once: at the line of the address, else where a job that failed shows why.
  const opened = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when enough lines have come
  useEffect(() => {
    const line = chosen ?? (isFinal(job) && evidence.size > 0 ? Math.min(...evidence) : null);
    if (opened.current || line === null || lines.length <= line) return;
    opened.current = true;
    show(line);
    if (chosen !== null) box.current?.scrollIntoView({ block: "center" });
  }, [version, evidence.size]);

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
              {hits.length
                ? `${Math.min(hit + 1, hits.length)} of ${hits.length}`
                : searching.complete
                  ? "not found"
                  : "searching"}
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
        <select
          aria-label="Level"
          className="min-h-7 rounded-md border border-line bg-panel px-1.5 text-[13px]"
          value={filter}
          onChange={(event) => setFilter(event.target.value as LevelFilter)}
        >
          {Object.entries(LEVELS).map(([key, name]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
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
          className={`max-h-[26rem] min-h-40 overflow-auto py-1 font-mono text-[13px] leading-5`}
          data-lines={lines.length}
        >
          {!(shown ?? lines).length && (
            <NoLines job={job} loading={loading} lines={lines.length} filtered={filter !== "all"} />
          )}
          <div className="relative min-w-full" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map((row) => {
              const number = shown ? (shown[row.index] ?? 0) : row.index;
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
                      evidence={evidence.has(number)}
                      wrap={wrap}
                      href={address(attempt, number)}
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

function contains(words: string): ((line: LogLine) => boolean) | null {
  const wanted = words.toLowerCase();
  return wanted ? (item) => item.kind === "line" && item.text.toLowerCase().includes(wanted) : null;
}

function firstOf(lines: readonly LogLine[]): number {
  const found = lines.findIndex((item) => level(item.text) === "error");
  return found < 0 ? Number.POSITIVE_INFINITY : found;
}
