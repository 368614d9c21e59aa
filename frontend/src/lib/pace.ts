// When data are asked for again by themselves: by what the platform says of a failure, and by nothing else. Pure.

const LONGEST_MS = 15_000;

interface State {
  error: unknown;
  errorUpdatedAt: number;
  dataUpdatedAt: number;
}

interface Refusal {
  retryable: boolean;
  retryAfter: number | null;
}

const isRefusal = (error: unknown): error is Refusal =>
  typeof error === "object" && error !== null && "retryable" in error && "retryAfter" in error;

/** Milliseconds until the next look: the usual; after failures later and later, and not before the platform asked for.
 *
 * False where asking again cannot help.
 */
export function pace(usual: number, state: State): number | false {
  if (!state.error) return usual;
  if (!isRefusal(state.error) || !state.error.retryable) return false;
  const away = state.dataUpdatedAt ? state.errorUpdatedAt - state.dataUpdatedAt : 0;
  const growing = Math.min(LONGEST_MS, Math.max(usual, away / 2));
  return Math.max(growing, (state.error.retryAfter ?? 0) * 1000);
}

/** When that look is due, in milliseconds since the epoch; null where none is planned. */
export function nextLook(usual: number, state: State): number | null {
  const wait = pace(usual, state);
  return wait === false ? null : (state.error ? state.errorUpdatedAt : state.dataUpdatedAt) + wait;
}
