import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useHotkeys } from "../../hooks/useHotkeys";
import { type JobList, PAGE } from "../../hooks/useJobPages";
import { JobRow } from "../JobRow";

const ROW_PX = 58;
const BESIDE = 8;

interface Props {
  list: JobList;
  onCode: (code: string) => void;
  /** The first and the last page of which a row is in view. */
  onView: (first: number, last: number) => void;
}

/** The rows that are in view, of as many as there are. */
export function JobRows({ list, onCode, onView }: Props) {
  const box = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  const [wanted, setWanted] = useState<number | null>(null);
  useLayoutEffect(() => setTop(box.current?.offsetTop ?? 0), []);
  const rows = useWindowVirtualizer({
    count: list.total,
    estimateSize: () => ROW_PX,
    overscan: BESIDE,
    scrollMargin: top,
    // Drawing at once in each scroll event would hold up the scrolling itself.
    useFlushSync: false,
  });
  const shown = rows.getVirtualItems();
  const first = Math.floor((shown[0]?.index ?? 0) / PAGE);
  const last = Math.floor((shown.at(-1)?.index ?? 0) / PAGE);
  useEffect(() => onView(first, last), [first, last, onView]);

  const step = (by: number) => {
    const row = document.activeElement?.closest<HTMLElement>("[data-index]");
    const here = row && box.current?.contains(row) ? Number(row.dataset.index) : by > 0 ? -1 : list.total;
    const next = Math.max(0, Math.min(list.total - 1, here + by));
    rows.scrollToIndex(next, { align: "auto" });
    setWanted(next);
  };
  useHotkeys({ j: () => step(1), k: () => step(-1) });
  useEffect(() => {
    if (wanted === null) return;
    // The row may have to be drawn, or its page to come, before it can be focused.
    const link = box.current?.querySelector<HTMLAnchorElement>(`[data-index="${wanted}"] a[data-row]`);
    if (!link) return;
    link.focus({ preventScroll: true });
    setWanted(null);
  });
  return (
    <ul ref={box} className="relative" style={{ height: rows.getTotalSize() }}>
      {shown.map(({ index, key, start }) => {
        const job = list.at(index);
        return (
          <li
            key={key}
            ref={rows.measureElement}
            data-index={index}
            aria-setsize={list.total}
            aria-posinset={index + 1}
            className={`absolute top-0 left-0 w-full ${index ? "border-t border-line" : ""}`}
            style={{ transform: `translateY(${start - top}px)` }}
          >
            {job ? (
              <JobRow job={job} onCode={onCode} />
            ) : (
              <div className="px-4 py-3.5">
                <div className="skeleton h-7" />
              </div>
            )}
          </li>
        );
      })}
    </ul>
  );
}
