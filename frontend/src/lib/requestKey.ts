// Names of requests, by which the backend knows a repeat.

export interface RequestKey {
  body: string;
  key: string;
}

export const NO_KEY: RequestKey = { body: "", key: "" };

/** A random name for a request; it also works where a page has no secure context. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** The same request sent again after a lost answer keeps its key; another one gets a new one. */
export function keyFor(last: RequestKey, request: unknown): RequestKey {
  const body = JSON.stringify(request);
  return last.body === body ? last : { body, key: newKey() };
}
