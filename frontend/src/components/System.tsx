import type { Agent } from "../generated/api";
import { bytes } from "../lib/format";
import { Ago, Facts } from "./ui";

export function AgentCard({ agent }: { agent: Agent }) {
  const { cpus, memory_bytes, disk_free_bytes, gpus, platform } = agent.resources;
  const devices = gpus?.length ? gpus.map((gpu) => gpu.name ?? "GPU").join(", ") : "none, trains on the CPU";
  return (
    <div className="px-4 py-3">
      <div className="mb-2 flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-medium">
          {agent.name} <span className="font-mono text-[13px] font-normal text-soft">{agent.agent_id}</span>
        </h3>
        <span
          className={`rounded-full px-2 py-0.5 text-[13px] font-medium ${agent.alive ? "bg-good-ground text-good" : "bg-bad-ground text-bad"}`}
        >
          {agent.alive ? "Alive" : "Not heard from"}
        </span>
      </div>
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
