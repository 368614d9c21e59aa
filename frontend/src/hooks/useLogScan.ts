import { useEffect, useReducer, useRef } from "react";
import { type LogLine, Scan } from "../lib/logStore";

/** The numbers of the lines that pass `test`, kept up with the log; null where everything passes.
 *
 * A new test begins anew; a long log is gone through in slices, and what is found so far shows at once.
 */
export function useLogScan(
  lines: readonly LogLine[],
  version: number,
  test: ((line: LogLine) => boolean) | null,
): { found: number[] | null; complete: boolean } {
  const scan = useRef<{ test: typeof test; lines: typeof lines; of: Scan } | null>(null);
  const complete = useRef(true);
  const [, again] = useReducer((count: number) => count + 1, 0);
  if (!test) scan.current = null;
  else if (scan.current?.test !== test || scan.current.lines !== lines) {
    scan.current = { test, lines, of: new Scan(test) };
    complete.current = false;
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: lines are appended to in place, `version` tells
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const step = () => {
      const under = scan.current;
      if (!under) return;
      complete.current = under.of.step(under.lines);
      again();
      if (!complete.current) timer = setTimeout(step);
    };
    if (test) step();
    return () => clearTimeout(timer);
  }, [test, lines, version]);
  return { found: scan.current?.of.found ?? null, complete: complete.current };
}
