// Where a failure is shown, how long, how it is announced, and what can be done about it there. One pure table; pages ask it
// and decide nothing themselves.

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

export type Place =
  | "field"
  | "summary"
  | "inline"
  | "page"
  | "card"
  | "banner"
  | "toast"
  | "header"
  | "timeline"
  | "list"
  | "boundary"
  | "dialog";

export type Action =
  | "focus-field"
  | "fix"
  | "retry"
  | "back"
  | "request-access"
  | "auto"
  | "resume"
  | "open"
  | "run-now"
  | "reload"
  | "copy-report"
  | "login";

export interface Presentation {
  place: Place;
  /** Where it stands besides. */
  also: readonly Place[];
  stays:
    | "until-fixed"
    | "until-resubmit"
    | "until-retry"
    | "until-success"
    | "permanent"
    | "until-reload"
    | "until-login";
  /** `alert` interrupts and is said once; `status` waits its turn; `focus` moves the focus to the heading. */
  announce: "alert" | "status" | "focus";
  actions: readonly Action[];
}

const table: Record<Situation, Presentation> = {
  field: {
    place: "field",
    also: ["summary"],
    stays: "until-fixed",
    announce: "alert",
    actions: ["focus-field", "fix"],
  },
  form: { place: "inline", also: [], stays: "until-resubmit", announce: "alert", actions: ["fix"] },
  "page-load": {
    place: "page",
    also: [],
    stays: "until-retry",
    announce: "focus",
    actions: ["retry", "back", "request-access"],
  },
  "card-load": { place: "card", also: [], stays: "until-retry", announce: "status", actions: ["retry"] },
  "background-refetch": {
    place: "banner",
    also: [],
    stays: "until-success",
    announce: "status",
    actions: ["auto", "retry"],
  },
  "own-action": {
    place: "inline",
    also: ["toast"],
    stays: "until-retry",
    announce: "alert",
    actions: ["retry", "fix"],
  },
  "job-failed-here": {
    place: "header",
    also: ["timeline"],
    stays: "permanent",
    announce: "alert",
    actions: ["fix", "retry", "resume"],
  },
  "job-failed-elsewhere": {
    place: "list",
    also: ["toast"],
    stays: "permanent",
    announce: "alert",
    actions: ["open"],
  },
  "being-retried": {
    place: "timeline",
    also: [],
    stays: "until-success",
    announce: "status",
    actions: ["run-now"],
  },
  "render-crash": {
    place: "boundary",
    also: ["page"],
    stays: "until-reload",
    announce: "focus",
    actions: ["reload", "copy-report"],
  },
  "session-expired": {
    place: "dialog",
    also: [],
    stays: "until-login",
    announce: "alert",
    actions: ["login"],
  },
};

export function presentation(situation: Situation): Presentation {
  return table[situation];
}

/** Milliseconds that the toast of a situation stays: what is to be acted on never goes by itself. */
export function toastStays(situation: Situation): number {
  const { place, also, stays } = table[situation];
  if (!also.includes("toast")) throw new Error(`${situation} has no toast`);
  return place === "inline" && stays !== "permanent" ? 10_000 : Number.POSITIVE_INFINITY;
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
