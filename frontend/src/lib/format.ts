// Figures, times and sizes as people read them.

import type { Figure } from "../generated/api";

export function figure(value: Figure | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value === "nan" ? "not a number" : value;
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return Number(value.toPrecision(4)).toString();
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let amount = value;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** How long ago, in one word and a unit; the exact time belongs into a title beside it. */
export function ago(at: string | null | undefined, now: number): string {
  if (!at) return "–";
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

const KNOWN: Record<string, string> = {
  "metrics/accuracy_top1": "top-1 accuracy",
  "metrics/accuracy_top5": "top-5 accuracy",
  lr: "learning rate",
};

/** A metric's name without what repeats in all of them: `metrics/mAP50-95(B)` is `mAP50-95`. */
export function shortName(name: string): string {
  const known = KNOWN[name];
  if (known) return known;
  return name
    .replace(/^metrics\//, "")
    .replace(/\(B\)$/, "")
    .replaceAll("_", " ");
}
