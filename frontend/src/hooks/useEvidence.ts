import { useEffect, useMemo, useState } from "react";
import type { Attempt } from "../generated/api";
import { type LogStore, locate } from "../lib/logStore";

/** Evidence lines that are in the log, with the numbers of the lines that they were taken from. */
export type Evidence = ReadonlyMap<string, number>;

const NONE: readonly string[] = [];

/** Where the evidence of the decisive attempt stands in the log that is shown.
 *
 * Looked for when the log is there and when it grows, but not with every line: the page would be drawn as often.
 */
export function useEvidence(log: LogStore, attempt: number, decisive: Attempt | null): Evidence {
  const [version, setVersion] = useState(0);
  const lines = decisive?.attempt === attempt ? (decisive.diagnosis?.evidence ?? NONE) : NONE;
  useEffect(() => {
    if (!lines.length) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      timer = undefined;
      setVersion(log.version);
    };
    look();
    const leave = log.subscribe(() => {
      timer ??= setTimeout(look, 300);
    });
    return () => {
      leave();
      clearTimeout(timer);
    };
  }, [log, lines]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the log is appended to in place, `version` tells
  return useMemo(() => {
    const places = lines.map((line): [string, number | null] => [line, locate(log.lines(attempt), line)]);
    return new Map(places.filter((place): place is [string, number] => place[1] !== null));
  }, [log, attempt, lines, version]);
}
