// A failed job as Markdown, for an issue or a chat. Pure; what it holds has left the backend redacted.

import type { Attempt, Job } from "../generated/api";
import { exitText, isGuess } from "./failure";
import { duration } from "./format";
import { title } from "./job";
import type { LogLine } from "./logStore";

const TAIL = 40;

export function supportText(
  job: Job,
  attempts: Attempt[],
  log: readonly LogLine[],
  version: string | null,
): string {
  const lines = [
    `## ${job.job_id}: ${title(job)}`,
    "",
    `- status: ${job.status}`,
    `- framework: ${job.framework}, model: ${job.model}, data set: ${job.dataset_id}`,
    `- created: ${job.created_at}, finished: ${job.finished_at ?? "–"}`,
    `- platform: ${version ?? "unknown"}`,
  ];
  if (job.error) {
    lines.push(
      "",
      `### ${job.error.code}: ${job.error.title}`,
      "",
      job.error.message,
      job.error.suggested_action ?? "",
      "",
      `Trace id: ${job.error.trace_id}`,
    );
  }
  for (const attempt of attempts) lines.push("", ...attemptText(attempt));
  lines.push("", "### Configuration", "", "```json", JSON.stringify(job.config, null, 2), "```");
  const tail = log
    .slice(-TAIL)
    .map((line) => (line.kind === "gap" ? `… ${line.text} bytes missing …` : line.text));
  if (tail.length) lines.push("", `### Last ${tail.length} lines of the log`, "", "````", ...tail, "````");
  return `${lines.join("\n")}\n`;
}

function attemptText(attempt: Attempt): string[] {
  const parts = [
    exitText(attempt.exit),
    attempt.epoch === null ? null : `epoch ${attempt.epoch} done`,
    `agent ${attempt.agent_id ?? "–"}`,
  ];
  const lines = [
    `### Attempt ${attempt.attempt}: ${attempt.status}`,
    "",
    `- ${parts.filter(Boolean).join(", ")}`,
  ];
  if (attempt.wait_s !== null) lines.push(`- waited ${duration(attempt.wait_s)}`);
  if (attempt.diagnosis) {
    const { code, confidence, entity, evidence } = attempt.diagnosis;
    lines.push(
      `- ${isGuess(attempt.diagnosis) ? "likely " : ""}${code} (${Math.round(confidence * 100)} %)${entity ? `, ${entity}` : ""}`,
    );
    lines.push(...evidence.map((line) => `  - \`${line.replaceAll("`", "'")}\``));
  }
  if (attempt.decision) lines.push(`- decision: ${attempt.decision.action}, ${attempt.decision.reason}`);
  return lines;
}
