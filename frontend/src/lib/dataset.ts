// A data set in words. Pure.

import type { Dataset, DatasetReport } from "../generated/api";

const plural = (count: number, one: string, many = `${one}s`) =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export function countsText(dataset: Pick<Dataset, "status" | "counts" | "task" | "classes">): string {
  if (dataset.status === "checking") return "Every image and label is being checked";
  const { train = 0, val = 0, test = 0 } = dataset.counts;
  if (!train && !val && !test) return "Nothing in it could be read";
  const parts = [`${plural(train, "image")} to train`, `${val.toLocaleString("en")} to validate`];
  if (test) parts.push(`${test.toLocaleString("en")} to test`);
  const kind = { classify: "classification", detect: "detection" }[dataset.task ?? ""] ?? dataset.task;
  return `${kind ? `${kind}, ` : ""}${plural(dataset.classes.length, "class", "classes")}: ${parts.join(", ")}`;
}

export function problemsText(dataset: Pick<Dataset, "status" | "errors" | "warnings" | "error">): string {
  if (dataset.status === "checking") return "";
  if (dataset.status === "failed") return dataset.error?.message ?? "";
  const parts = [];
  if (dataset.errors) parts.push(plural(dataset.errors, "error"));
  if (dataset.warnings) parts.push(plural(dataset.warnings, "warning"));
  return parts.length ? parts.join(", ") : "No problems";
}

/** The problems of a report, errors first, with what is left out of each list. */
export function problemGroups(report: DatasetReport) {
  return [...report.problems]
    .sort((a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"))
    .map((group) => ({ ...group, hidden: Math.max(0, group.count - group.items.length) }));
}
