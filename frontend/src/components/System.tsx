import type { Agent } from "../generated/api";
import { bytes } from "../lib/format";
import { Ago, Facts } from "./ui";

const STATES = {
  ready: { label: "Alive", tone: "bg-good-ground text-good" },
  silent: { label: "Not heard from", tone: "bg-bad-ground text-bad" },
  drained: { label: "Drained: takes no more trainings", tone: "bg-warn-ground text-warn" },
  excluded: { label: "Excluded", tone: "bg-warn-ground text-warn" },
};

export function AgentCard({ agent }: { agent: Agent }) {
  const { cpus, memory_bytes, disk_free_bytes, gpus, labels, platform } = agent.resources;
  const devices = gpus?.length ? gpus.map((gpu) => gpu.name ?? "GPU").join(", ") : "none, trains on the CPU";
  return (
    <div className="px-4 py-3">
      <div className="mb-2 flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-medium">
          {agent.name} <span className="font-mono text-[13px] font-normal text-soft">{agent.agent_id}</span>
        </h3>
        <span className={`rounded-full px-2 py-0.5 text-[13px] font-medium ${STATES[agent.state].tone}`}>
          {STATES[agent.state].label}
        </span>
      </div>
      {agent.excluded_reason && agent.excluded_until && (
        <p className="mb-2 text-[13px]">
          {agent.excluded_reason}. It is avoided until {new Date(agent.excluded_until).toLocaleTimeString()},
          or until <code>vtp agents resume {agent.name}</code>.
        </p>
      )}
      <Facts
        items={[
          ["Last heard", <Ago key="heard" at={agent.last_seen_at} />],
          ["Busy", `${agent.busy} of ${agent.slots} slots`],
          [
            "Machine",
            [
              cpus && `${cpus} cores`,
              memory_bytes && `${bytes(memory_bytes)} memory`,
              disk_free_bytes && `${bytes(disk_free_bytes)} disk free`,
            ]
              .filter(Boolean)
              .join(", ") || "–",
          ],
          ["GPUs", devices],
          ...(labels && Object.keys(labels).length
            ? [
                [
                  "Labels",
                  Object.entries(labels)
                    .map(([name, value]) => `${name}=${value}`)
                    .join(", "),
                ] as [string, string],
              ]
            : []),
          ["System", platform ?? "–"],
          ...agent.frameworks.map((item): [string, string] => [
            item.framework,
            item.available ? `version ${item.version}` : `not available: ${item.reason ?? "no reason told"}`,
          ]),
        ]}
      />
    </div>
  );
}
