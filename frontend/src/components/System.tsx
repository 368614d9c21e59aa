import type { Agent, Dependency } from "../generated/api";
import { bytes } from "../lib/format";
import { Ago, Facts } from "./ui";

const states: Record<string, { word: string; tone: string; means: string }> = {
  CLOSED: { word: "Working", tone: "text-good bg-good-ground", means: "calls go through" },
  OPEN: {
    word: "Out of service",
    tone: "text-bad bg-bad-ground",
    means: "calls are refused at once, to let it recover",
  },
  HALF_OPEN: {
    word: "Being tried",
    tone: "text-warn bg-warn-ground",
    means: "one call finds out whether it is back",
  },
  ISOLATED: { word: "Switched off", tone: "text-warn bg-warn-ground", means: "an operator keeps calls away" },
};

export function DependencyRow({ item }: { item: Dependency }) {
  const state = item.state
    ? (states[item.state] ?? { word: item.state, tone: "bg-hover text-soft", means: "" })
    : null;
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-2.5">
      <span className="font-medium">{item.name}</span>
      <span className="flex flex-wrap items-center gap-2 text-[13px]">
        {state && <span className={`rounded-full px-2 py-0.5 font-medium ${state.tone}`}>{state.word}</span>}
        <span className="text-soft">
          {state?.means ?? "no breaker: always called"}
          {item.failure_count ? `, ${item.failure_count} failures in a row` : ""}
          {item.retry_after ? `, next try in ${Math.ceil(item.retry_after)} s` : ""}
        </span>
      </span>
    </li>
  );
}

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
