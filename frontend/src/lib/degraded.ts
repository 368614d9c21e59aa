// What the platform does without at the moment, and what that means for its users. Pure.

import type { Dependency, SystemStatus } from "../generated/api";
import { bytes } from "./format";

export interface Mode {
  key: string;
  what: string;
  means: string;
}

const WITHOUT: Record<string, string> = {
  trainer: "Trainings that run go on; new ones wait until an agent can be reached.",
  mlflow: "Trainings go on; their figures are kept and handed on when MLflow is back.",
  storage: "Nothing can be uploaded or downloaded; agents keep their files and deliver them later.",
  temporal: "Trainings that run go on; new ones start when Temporal is back.",
  database: "Requests are refused; agents keep what they have to tell and deliver it later.",
  llm: "Failures are explained in the catalogue's own words.",
};
const LITTLE = 0.1;

function why(item: Dependency): string | null {
  if (item.state === "ISOLATED") return "is switched off by hand";
  if (item.state === "OPEN") return "is out of service";
  return item.state === "HALF_OPEN" ? "is being tried again" : null;
}

/** Everything that is not as it should be, the gravest for trainings first. */
export function degraded(status: SystemStatus | undefined, dependencies: Dependency[]): Mode[] {
  const found: Mode[] = [];
  if (status && !status.agents.some((agent) => agent.alive)) {
    const means = "Trainings wait until one reports. Start one with `vtp up` or `vtp-agent`.";
    found.push({ key: "agents", what: "No agent is alive", means });
  }
  if (status && status.disk.free_bytes < LITTLE * status.disk.total_bytes) {
    const means = "Uploads and checkpoints fail when it is full. Delete data sets that are not needed.";
    found.push({ key: "disk", what: `The disk has ${bytes(status.disk.free_bytes)} left`, means });
  }
  for (const item of dependencies) {
    const reason = why(item);
    if (reason)
      found.push({
        key: item.name,
        what: `${item.title} ${reason}`,
        means: WITHOUT[item.name] ?? "What needs it fails.",
      });
  }
  return found;
}
