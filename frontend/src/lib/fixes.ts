// What may be done about an error. Pure.

import type { Fix } from "../generated/api";

export interface Remedies {
  /** Changes that one click may apply. */
  safe: Fix[];
  /** Changes that want a look first. */
  review: Fix[];
  /** Advice that only a person can follow. */
  manual: Fix[];
}

export function remedies(fixes: Fix[]): Remedies {
  const of = (kind: Fix["applicability"]) => fixes.filter((fix) => fix.applicability === kind);
  return { safe: of("safe"), review: of("review"), manual: of("manual") };
}

/** An address from the backend that a link may have: its own pages, or https. */
export function safeUrl(url: string | null | undefined): string | null {
  if (!url) return null;
  return /^\/(?!\/)/.test(url) || url.startsWith("https://") ? url : null;
}
