// From epochs to curves: which panels there are, and the points of each line. Pure.

import type { EpochFigures, Figure, Progress } from "../generated/api";
import { shortName } from "./format";

export interface Line {
  name: string;
  label: string;
  points: (number | null)[];
}

export interface Panel {
  key: string;
  title: string;
  x: number[];
  lines: Line[];
  /** The first epoch in which a value was not finite; null where all are. */
  notFinite: number | null;
}

/** Epochs in order; where a later attempt did an epoch again, its figures count. */
export function merged(epochs: EpochFigures[]): EpochFigures[] {
  const latest = new Map<number, EpochFigures>();
  for (const item of epochs) {
    const known = latest.get(item.epoch);
    if (!known || known.attempt <= item.attempt) latest.set(item.epoch, item);
  }
  return [...latest.values()].sort((a, b) => a.epoch - b.epoch);
}

/** First epochs of attempts after the first: where a retry went on. */
export function resumptions(epochs: EpochFigures[]): { epoch: number; attempt: number }[] {
  const firsts = new Map<number, number>();
  for (const { attempt, epoch } of epochs) firsts.set(attempt, Math.min(firsts.get(attempt) ?? epoch, epoch));
  const lowest = Math.min(...firsts.keys());
  return [...firsts].filter(([attempt]) => attempt > lowest).map(([attempt, epoch]) => ({ attempt, epoch }));
}

function finite(value: Figure | null | undefined): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** `train/box_loss` and `val/box_loss` belong into one panel, `box loss`. */
function lossTerm(name: string): string {
  return shortName(name.replace(/^(train|val)\//, ""));
}

interface Group {
  key: string;
  title: string;
  names: string[];
  of: (item: EpochFigures) => Record<string, Figure> | null;
}

function groups(epochs: EpochFigures[]): Group[] {
  const losses = new Map<string, string[]>();
  const metrics: string[] = [];
  for (const item of epochs) {
    for (const name of Object.keys(item.losses ?? {})) {
      const known = losses.get(lossTerm(name)) ?? [];
      if (!known.includes(name)) losses.set(lossTerm(name), [...known, name]);
    }
    for (const name of Object.keys(item.metrics ?? {})) if (!metrics.includes(name)) metrics.push(name);
  }
  const found: Group[] = [];
  if (metrics.length)
    found.push({ key: "metrics", title: metricsTitle(metrics), names: metrics, of: (item) => item.metrics });
  for (const [term, names] of losses)
    found.push({ key: `loss-${term}`, title: capital(term), names, of: (item) => item.losses });
  if (epochs.some((item) => finite(item.lr) !== null))
    found.push({
      key: "lr",
      title: "Learning rate",
      names: ["lr"],
      of: (item) => (item.lr === null ? null : { lr: item.lr }),
    });
  if (epochs.some((item) => item.images_per_s !== null))
    found.push({
      key: "speed",
      title: "Images per second",
      names: ["images/s"],
      of: (item) => (item.images_per_s === null ? null : { "images/s": item.images_per_s }),
    });
  const memory = memoryOf(epochs);
  const [unit, size] = most(epochs) < GB ? (["MB", MB] as const) : (["GB", GB] as const);
  if (memory.length)
    found.push({
      key: "memory",
      title: `Memory, ${unit}`,
      names: memory,
      of: (item) =>
        Object.fromEntries(
          memory.flatMap((name) => {
            const held = item.memory?.[MEMORY[name] ?? ""];
            return held == null ? [] : [[name, held / size]];
          }),
        ),
    });
  return found;
}

const [MB, GB] = [1e6, 1e9] as const;

/** The most memory that was held, in bytes: little is told in the smaller unit. */
const most = (epochs: EpochFigures[]) =>
  epochs
    .flatMap((item) => Object.values(MEMORY).map((name) => item.memory?.[name] ?? 0))
    .reduce((a, b) => Math.max(a, b), 0);
const MEMORY: Record<string, string> = { GPU: "gpu_bytes", "main memory": "rss_bytes" };

function memoryOf(epochs: EpochFigures[]): string[] {
  return Object.keys(MEMORY).filter((name) =>
    epochs.some((item) => item.memory?.[MEMORY[name] ?? ""] != null),
  );
}

function metricsTitle(names: string[]): string {
  return names.length === 1 ? capital(shortName(names[0] ?? "")) : "Validation metrics";
}

/** With a capital at the beginning; a name like mAP50 keeps its own. */
const capital = (text: string) =>
  /^.[A-Z]/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);

/** The epoch under way as one more point, where it lies: 3.5 is the middle of the fourth epoch. */
export function underWay(progress: Progress | null, epochs: EpochFigures[]): EpochFigures | null {
  if (!progress?.epoch || !progress.losses || !progress.step || !progress.steps) return null;
  const last = epochs.at(-1)?.epoch ?? 0;
  const place = progress.epoch - 1 + progress.step / progress.steps;
  if (place <= last) return null;
  return {
    attempt: 0,
    epoch: place,
    epochs: progress.epochs ?? 0,
    losses: progress.losses,
    metrics: null,
    lr: progress.lr ?? null,
    images_per_s: null,
    memory: progress.memory ?? null,
    disk: null,
    at: progress.at ?? "",
  };
}

export function panels(all: EpochFigures[], progress: Progress | null = null): Panel[] {
  const done = merged(all);
  const now = underWay(progress, done);
  return groups(done.length || !now ? done : [now]).map((group) => {
    const items =
      now && group.names.some((name) => group.of(now)?.[name] !== undefined) ? [...done, now] : done;
    const lines = group.names.map((name) => ({
      name,
      label: shortName(name),
      points: items.map((item) => finite(group.of(item)?.[name])),
    }));
    const broken = items.find((item) =>
      group.names.some((name) => {
        const value = group.of(item)?.[name];
        return value !== undefined && value !== null && finite(value) === null;
      }),
    );
    return {
      key: group.key,
      title: group.title,
      x: items.map((item) => item.epoch),
      lines,
      notFinite: broken?.epoch ?? null,
    };
  });
}

function joined(one: number[], other: number[]): number[] {
  return [...new Set([...one, ...other])].sort((a, b) => a - b);
}

function placed(line: Line, from: number[], onto: number[]): (number | null)[] {
  const at = new Map(from.map((x, index) => [x, line.points[index] ?? null]));
  return onto.map((x) => at.get(x) ?? null);
}

/** The panels with the lines of another job beside their own, named after it. */
export function beside(own: Panel[], other: Panel[], name: string): Panel[] {
  return own.map((panel) => {
    const match = other.find((item) => item.key === panel.key);
    if (!match) return panel;
    const x = joined(panel.x, match.x);
    return {
      ...panel,
      x,
      lines: [
        ...panel.lines.map((line) => ({ ...line, points: placed(line, panel.x, x) })),
        ...match.lines.map((line) => ({
          name: `${name} ${line.name}`,
          label: `${name} ${line.label}`,
          points: placed(line, match.x, x),
        })),
      ],
    };
  });
}

/** A line in words, for those who cannot see it. */
export function spoken(panel: Panel): string {
  const parts = panel.lines.map((line) => {
    const values = line.points.filter((value): value is number => value !== null);
    if (!values.length) return `${line.label}: no values`;
    const show = (value: number) => Number(value.toPrecision(3)).toString();
    return `${line.label} from ${show(values[0] ?? 0)} to ${show(values.at(-1) ?? 0)}`;
  });
  const epochs = Math.ceil(panel.x.at(-1) ?? 0);
  return `${panel.title} over ${epochs} epoch${epochs === 1 ? "" : "s"}: ${parts.join(", ")}`;
}
