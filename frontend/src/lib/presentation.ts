// Where a failure is shown. One pure table; pages ask it and decide nothing themselves.

export type Situation =
  | "field"
  | "form"
  | "page-load"
  | "card-load"
  | "background-refetch"
  | "own-action"
  | "job-failed-here"
  | "job-failed-elsewhere"
  | "being-retried"
  | "render-crash"
  | "session-expired";

export interface Presentation {
  place:
    | "field"
    | "inline"
    | "page"
    | "card"
    | "banner"
    | "toast+inline"
    | "header"
    | "toast"
    | "timeline"
    | "boundary"
    | "dialog";
  stays:
    | "until-fixed"
    | "until-resubmit"
    | "until-retry"
    | "until-success"
    | "permanent"
    | "10s"
    | "until-reload"
    | "until-login";
  announce: "alert" | "status" | "focus" | "none";
  action: "focus-field" | "fix" | "retry" | "auto" | "run-now" | "reload" | "login" | "open";
}

const table: Record<Situation, Presentation> = {
  field: { place: "field", stays: "until-fixed", announce: "alert", action: "focus-field" },
  form: { place: "inline", stays: "until-resubmit", announce: "alert", action: "fix" },
  "page-load": { place: "page", stays: "until-retry", announce: "focus", action: "retry" },
  "card-load": { place: "card", stays: "until-retry", announce: "status", action: "retry" },
  "background-refetch": { place: "banner", stays: "until-success", announce: "status", action: "auto" },
  "own-action": { place: "toast+inline", stays: "10s", announce: "alert", action: "retry" },
  "job-failed-here": { place: "header", stays: "permanent", announce: "alert", action: "fix" },
  "job-failed-elsewhere": { place: "toast", stays: "permanent", announce: "alert", action: "open" },
  "being-retried": { place: "timeline", stays: "until-success", announce: "status", action: "run-now" },
  "render-crash": { place: "boundary", stays: "until-reload", announce: "focus", action: "reload" },
  "session-expired": { place: "dialog", stays: "until-login", announce: "focus", action: "login" },
};

export function presentation(situation: Situation): Presentation {
  return table[situation];
}

/** The situation of a failed request: by its code, and by whether there is something on the screen already. */
export function situationOf(
  error: { code: string; fields: unknown[] },
  from: "load" | "card" | "refetch" | "action" | "form",
): Situation {
  if (error.code === "INVALID_TOKEN") return "session-expired";
  if (from === "form") return error.fields.length > 0 ? "field" : "form";
  if (from === "refetch") return "background-refetch";
  if (from === "action") return "own-action";
  return from === "card" ? "card-load" : "page-load";
}
