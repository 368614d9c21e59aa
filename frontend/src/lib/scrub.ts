// Takes what looks like a secret out of what leaves the page.

const HIDDEN = "[redacted]";
const NAMED =
  /((?:^|[?&\s"'{,;])[\w.-]*(?:password|passwd|secret|token|api[_-]?key|authorization|cookie)["']?\s*[=:]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"'&;,}]+/gi;
const FORMS =
  /\b(?:bearer|basic)\s+[\w.~+/-]{12,}=*|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\b(?:sk|gh[pousr]|hf|glpat|xox[abprs]|vtpa)[-_][\w-]{16,}|\bAKIA[A-Z0-9]{16}\b|\b[\w.%+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}\b/gi;
const LOGIN = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
const KEY = /pass(?:word|wd)?$|secret|token$|api[_-]?key|authorization|cookie/i;
const DEEPEST = 12;

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string")
    return value.replace(LOGIN, `$1${HIDDEN}@`).replace(NAMED, `$1${HIDDEN}`).replace(FORMS, HIDDEN);
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEEPEST) return "…";
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, KEY.test(key) ? HIDDEN : clean(item, depth + 1)]),
  );
}

/** The same without secrets, at any depth of plain objects and lists. */
export const scrubbed = <T>(value: T): T => clean(value, 0) as T;
