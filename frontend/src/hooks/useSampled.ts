import { useEffect, useRef, useState } from "react";

/** A value that changes often, taken over at most once in so many milliseconds; null at once, for there is nothing then. */
export function useSampled<T>(value: T | null, every: number): T | null {
  const [shown, setShown] = useState(value);
  const newest = useRef(value);
  const taken = useRef(0);
  newest.current = value;
  useEffect(() => {
    const wait = value === null ? 0 : Math.max(0, taken.current + every - Date.now());
    const timer = setTimeout(() => {
      taken.current = Date.now();
      setShown(newest.current);
    }, wait);
    return () => clearTimeout(timer);
  }, [value, every]);
  return value === null ? null : shown;
}
