// The output of a job's attempts as lines. Kept outside React: a hundred thousand lines are appended to, never copied.

export interface LogPiece {
  seq: number;
  attempt: number;
  text: string;
  dropped_bytes: number;
}

export interface LogLine {
  kind: "line" | "gap";
  text: string;
  /** With colour codes, where there are any. */
  raw?: string;
}

export type Level = "error" | "warning" | null;

const ESCAPE = String.fromCharCode(27);
const CODES = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]|${ESCAPE}\\][^\\u0007]*\\u0007`, "g");
const ERROR =
  /\b(error|exception|traceback|fatal|critical|killed|out of memory|core dumped)\b|error:|Error\b/i;
const WARNING = /warning\b|\bwarn\b/i;

export function level(text: string): Level {
  if (ERROR.test(text)) return "error";
  return WARNING.test(text) ? "warning" : null;
}

/** What a terminal would show of a line that was written over with carriage returns. */
function settled(text: string): string {
  const trimmed = text.endsWith("\r") ? text.slice(0, -1) : text;
  const last = trimmed.lastIndexOf("\r");
  return last < 0 ? trimmed : trimmed.slice(last + 1);
}

function line(text: string): LogLine {
  const shown = settled(text);
  const plain = shown.replace(CODES, "");
  return plain === shown ? { kind: "line", text: plain } : { kind: "line", text: plain, raw: shown };
}

class AttemptLog {
  lines: LogLine[] = [];
  private rest = "";
  private open = false;

  add(text: string, dropped: number) {
    if (dropped > 0) {
      this.close();
      this.lines.push({ kind: "gap", text: String(dropped) });
    }
    if (this.open) {
      this.lines.pop();
      this.open = false;
    }
    const parts = (this.rest + text).split("\n");
    this.rest = parts.pop() ?? "";
    for (const part of parts) this.lines.push(line(part));
    // A line that has not ended yet is shown as it is, and replaced when more of it comes.
    if (this.rest) {
      this.lines.push(line(this.rest));
      this.open = true;
    }
  }

  private close() {
    this.rest = "";
    this.open = false;
  }
}

/** Longest piece of work in one go, well below the 50 ms that a person notices. */
const SLICE_MS = 12;
const breath = () => new Promise<void>((done) => setTimeout(done));

const NONE: readonly LogLine[] = [];
let stores = 0;

export class LogStore {
  /** Tells stores apart: what was loaded into one is not in another. */
  readonly id = ++stores;
  /** Changes with every change, for React to compare. */
  version = 0;
  private logs = new Map<number, AttemptLog>();
  private last = 0;
  private held: LogPiece[] | null = [];
  private listeners = new Set<() => void>();

  /** Pieces of the past come by `load`, in order, before `loaded`; live ones wait until then.
   *
   * A hundred thousand lines are taken in slices, between which the page stays alive.
   */
  async load(pieces: LogPiece[]) {
    let begun = performance.now();
    for (const piece of pieces) {
      this.take([piece]);
      if (performance.now() - begun < SLICE_MS) continue;
      await breath();
      begun = performance.now();
    }
  }

  loaded() {
    const held = this.held ?? [];
    this.held = null;
    this.take(held);
    this.changed();
  }

  live(pieces: LogPiece[]) {
    if (this.held) this.held.push(...pieces);
    else this.take(pieces);
  }

  get ready(): boolean {
    return this.held === null;
  }

  get lastSeq(): number {
    return this.last;
  }

  lines(attempt: number): readonly LogLine[] {
    return this.logs.get(attempt)?.lines ?? NONE;
  }

  text(attempt: number): string {
    return this.lines(attempt)
      .map((item) => (item.kind === "gap" ? `… ${item.text} bytes were not kept …` : item.text))
      .join("\n");
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private take(pieces: LogPiece[]) {
    const news = pieces.filter((piece) => piece.seq > this.last);
    for (const piece of news) {
      this.last = Math.max(this.last, piece.seq);
      const log = this.logs.get(piece.attempt) ?? new AttemptLog();
      this.logs.set(piece.attempt, log);
      log.add(piece.text, piece.dropped_bytes);
    }
    if (news.length) this.changed();
  }

  private changed() {
    this.version += 1;
    for (const tell of this.listeners) tell();
  }
}

/** The numbers of those lines that pass a test, found in slices and kept up as lines come; the last line may still grow. */
export class Scan {
  readonly found: number[] = [];
  private done = 0;

  constructor(private readonly passes: (line: LogLine) => boolean) {}

  /** Goes on for one slice; false where there is more to do. */
  step(lines: readonly LogLine[], longest = SLICE_MS): boolean {
    const until = performance.now() + longest;
    this.done = Math.max(0, this.done - 1);
    while (this.found.length && (this.found.at(-1) ?? 0) >= this.done) this.found.pop();
    while (this.done < lines.length) {
      const line = lines[this.done];
      if (line && this.passes(line)) this.found.push(this.done);
      this.done += 1;
      if (this.done % 256 === 0 && performance.now() > until) break;
    }
    return this.done >= lines.length;
  }
}

/** What lines are narrowed to. */
export type LevelFilter = "all" | "warnings" | "errors";

export function atLeast(filter: LevelFilter): ((line: LogLine) => boolean) | null {
  if (filter === "all") return null;
  return (item) => {
    const found = level(item.text);
    return item.kind === "gap" || found === "error" || (filter === "warnings" && found === "warning");
  };
}

const TELLING = 10;
const COMPARED = 60;
const PREFIXES = 3;

/** An evidence line, and what is left of it without what the diagnosis has put before it ("the trainer says X: …"). */
function quotations(evidence: string): string[] {
  const found = [evidence.trim()];
  for (let count = 0; count < PREFIXES; count += 1) {
    const last = found.at(-1) ?? "";
    const colon = last.indexOf(": ");
    if (colon < 0) break;
    found.push(last.slice(colon + 2).trim());
  }
  return found.map((text) => text.slice(0, COMPARED)).filter((text) => text.length >= TELLING);
}

/** The line that an evidence line of the diagnosis was taken from, the last one that fits; null where it is not there. */
export function locate(lines: readonly LogLine[], evidence: string): number | null {
  for (const wanted of quotations(evidence)) {
    for (let index = lines.length - 1; index >= 0; index -= 1) {
      if (lines[index]?.text.includes(wanted)) return index;
    }
  }
  return null;
}

/** Pieces of text with the number of their colour (30 to 37), null for none, from a line with colour codes. */
export function coloured(raw: string): { text: string; colour: number | null; bold: boolean }[] {
  const parts: { text: string; colour: number | null; bold: boolean }[] = [];
  let colour: number | null = null;
  let bold = false;
  let from = 0;
  const push = (text: string) => text && parts.push({ text, colour, bold });
  for (const match of raw.matchAll(CODES)) {
    push(raw.slice(from, match.index));
    from = match.index + match[0].length;
    if (!match[0].endsWith("m")) continue;
    for (const code of match[0].slice(2, -1).split(";").map(Number)) {
      if (code === 0) [colour, bold] = [null, false];
      else if (code === 1) bold = true;
      else if (code === 39) colour = null;
      else if (code >= 30 && code <= 37) colour = code;
      else if (code >= 90 && code <= 97) colour = code - 60;
    }
  }
  push(raw.slice(from));
  return parts;
}
