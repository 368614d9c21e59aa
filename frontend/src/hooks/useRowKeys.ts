import type { RefObject } from "react";
import { useHotkeys } from "./useHotkeys";

/** j and k move the focus through the rows of a list that is drawn whole; `onEnd` is asked for more. */
export function useRowKeys(box: RefObject<HTMLElement | null>, onEnd?: () => void) {
  const step = (by: number) => {
    const rows = [...(box.current?.querySelectorAll<HTMLAnchorElement>("a[data-row]") ?? [])];
    const here = rows.findIndex((row) => row.closest("li")?.contains(document.activeElement));
    const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by;
    if (next >= rows.length) onEnd?.();
    const row = rows[Math.max(0, Math.min(rows.length - 1, next))];
    row?.focus();
    row?.closest("li")?.scrollIntoView({ block: "nearest" });
  };
  useHotkeys({ j: () => step(1), k: () => step(-1) });
}
