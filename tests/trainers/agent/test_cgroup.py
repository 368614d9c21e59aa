"""Control groups: found as the machine has them, said plainly where it has none; real ones where this machine allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.fakes import Workshop
from trainers.agent.cgroup import Cgroups, Memory, NoCgroup, kill_counter, own_groups
from trainers.agent.memory import MemoryWitness
from trainers.agent.settings import AgentSettings

HERE = Cgroups()
needs_cgroup = pytest.mark.skipif(HERE.parent is None, reason=f"no control group can be made here: {HERE.reason}")
MIB = 1024 * 1024


def made_up(folder: Path, membership: str) -> Cgroups:
    """Groups on a made-up file system, for a process that is in `membership`."""
    (folder / "membership").write_text(membership)
    return Cgroups(folder, folder / "membership")


def test_memberships_are_read_of_both_versions() -> None:
    text = "4:memory,cpu:/a/b\n1:cpu:/c\n0::/d\n"
    assert own_groups(text) == {1: "/a/b", 2: "/d"}


def test_version_2_is_handed_down_where_it_has_the_memory_controller(tmp_path: Path) -> None:
    own = tmp_path / "service"
    own.mkdir()
    (own / "cgroup.controllers").write_text("cpu memory\n")
    (own / "cgroup.subtree_control").write_text("")
    found = made_up(tmp_path, "0::/service\n")
    assert (found.parent, found.version) == (own, 2)
    assert (own / "cgroup.subtree_control").read_text() == "+memory"


def test_without_any_memory_controller_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    found = made_up(tmp_path, "0::/\n")
    assert found.parent is None
    assert found.reason == "v2: no memory controller"
    with pytest.raises(NoCgroup, match="no memory controller"):
        found.make("J-1-1")
    nothing = Cgroups(tmp_path, tmp_path / "absent")
    assert nothing.reason.startswith("No such file")


def test_a_folder_that_counts_no_kills_is_no_group(tmp_path: Path) -> None:
    (tmp_path / "memory" / "own").mkdir(parents=True)
    found = made_up(tmp_path, "4:memory:/own\n")
    assert found.version == 1
    with pytest.raises(NoCgroup, match="counts no memory kills"):
        found.make("J-1-1")
    assert found.find("J-1-1") is None


def test_the_kill_counter_is_read_from_either_file(tmp_path: Path) -> None:
    file = tmp_path / "memory.events"
    file.write_text("low 0\noom 3\noom_kill 2\n")
    assert kill_counter(file) == 2
    file.write_text("low 0\n")
    assert kill_counter(file) is None
    assert kill_counter(tmp_path / "absent") is None


@needs_cgroup
def test_a_group_is_removed_with_the_processes_in_it() -> None:
    group = HERE.make(f"test-{os.getpid()}")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    group.procs.write_text(str(child.pid))
    assert group.members() == [child.pid]
    assert HERE.find(f"test-{os.getpid()}") == group
    assert group.remove() is True
    assert child.wait(5) == -9
    assert not group.path.exists()


def test_where_no_group_could_be_made_the_evidence_says_so_and_uses_the_shared_counter(tmp_path: Path) -> None:
    witness = MemoryWitness(tmp_path, made_up(tmp_path, "0::/\n"), "J-1-1")
    witness.begin(None, 5)
    witness.look(os.getpid())
    facts = witness.facts({"rlimit_bytes": 5})
    assert facts["cgroup"].startswith("none: v2: ")
    assert facts["memory_limit"] == {"bytes": 5, "by": "rlimit"}
    assert facts.get("oom_kill_delta") in (0, None)


def test_kills_are_counted_from_where_the_attempt_began_also_by_a_later_agent(tmp_path: Path) -> None:
    (tmp_path / "memory" / "own" / "vtp-a").mkdir(parents=True)
    counter = tmp_path / "memory" / "own" / "vtp-a" / "memory.oom_control"
    counter.write_text("oom_kill 3\n")
    groups = made_up(tmp_path, "4:memory:/own\n")
    MemoryWitness(tmp_path, groups, "a").begin(Memory(counter.parent, 1), None)
    counter.write_text("oom_kill 5\n")
    later = MemoryWitness(tmp_path, groups, "a")
    assert later.facts({"cgroup": "joined"})["oom_kill_delta"] == 2


EATS = "held = []\nwhile True:\n    held.append(bytearray(8 << 20))\n    held[-1][::4096] = b'x' * len(held[-1][::4096])\n"


@needs_cgroup
async def test_a_training_that_takes_more_memory_than_its_group_may_is_killed_and_the_kernels_kill_is_counted(
    tmp_path: Path,
) -> None:
    shop = Workshop(tmp_path, EATS, AgentSettings(grace=3, poll=0.01, memory_limit=96 * MIB))
    told = (await shop.run())["evidence"]
    assert told["signal"] == 9
    assert told["oom_kill_delta"] >= 1
    assert told["cgroup"].startswith(f"v{HERE.version}: ")
    assert told["memory_limit"] == {"bytes": 96 * MIB, "by": "cgroup"}
    assert told["memory_peak_bytes"] <= 97 * MIB


async def test_without_a_group_the_limit_is_an_rlimit_and_ends_in_a_memory_error(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, EATS, AgentSettings(grace=3, poll=0.01, memory_limit=96 * MIB))
    shop.cgroups = made_up(tmp_path, "0::/\n")
    shop.supervisor = shop.make()
    last = await shop.run()
    assert last["error"]["code"] == "HOST_OOM"
    told = last["evidence"]
    assert told["exit_code"] == 13
    assert told["memory_limit"] == {"bytes": 96 * MIB, "by": "rlimit"}
    assert told["exceptions"][0]["type"] == "MemoryError"


@needs_cgroup
async def test_a_training_without_a_limit_is_counted_apart(tmp_path: Path) -> None:
    told = (await Workshop(tmp_path, "os._exit(1)").run())["evidence"]
    assert told["oom_kill_delta"] == 0
    assert told["cgroup"].startswith("v")
    assert "memory_limit" not in told
