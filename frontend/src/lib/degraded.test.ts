import { describe, expect, it } from "vitest";
import type { Agent, Dependency, SystemStatus } from "../generated/api";
import { degraded } from "./degraded";

const status = (alive: boolean, free = 50) =>
  ({ agents: [{ alive } as Agent], disk: { free_bytes: free, total_bytes: 100 } }) as SystemStatus;
const dependency = (name: string, state: Dependency["state"]) =>
  ({ name, title: name.toUpperCase(), state }) as Dependency;

describe("what is degraded", () => {
  it("is nothing while all works, and while nothing is known yet", () => {
    expect(degraded(status(true), [dependency("mlflow", null), dependency("database", "CLOSED")])).toEqual(
      [],
    );
    expect(degraded(undefined, [])).toEqual([]);
  });

  it("says that trainings wait where no agent is alive, and that the disk fills", () => {
    const [agents, disk] = degraded(status(false, 9), []);
    expect(agents).toMatchObject({ key: "agents", what: "No agent is alive" });
    expect(disk).toMatchObject({ key: "disk", what: "The disk has 9 B left" });
  });

  it.each([
    ["llm", "OPEN", "LLM is out of service", "catalogue's own words"],
    ["mlflow", "HALF_OPEN", "MLFLOW is being tried again", "kept and handed on"],
    ["trainer", "ISOLATED", "TRAINER is switched off by hand", "new ones wait"],
    ["new-one", "OPEN", "NEW-ONE is out of service", "What needs it fails"],
  ] as const)("tells for %s in state %s what it means", (name, state, what, means) => {
    const [mode] = degraded(status(true), [dependency(name, state)]);
    expect(mode?.what).toBe(what);
    expect(mode?.means).toContain(means);
  });
});
