"""One attempt, carried out by a real process: whatever ends it is told once, with its evidence."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.trainers.fakes import Workshop, error_answer, reached
from trainers.agent.settings import AgentSettings
from trainers.agent.watch import HangLimits

STEPS = "reporter.start(2)\nreporter.progress(epoch=1, step=1, steps=1)\n"
FOREVER = STEPS + "while True:\n    time.sleep(0.05)\n"
COOPERATIVE = (
    "task.stop_requested()\n"
    + STEPS
    + "while not task.stop_requested():\n    time.sleep(0.02)\n"
    + "(task.work / 'last.pt').write_text('half an epoch')\n"
    + "reporter.checkpoint(task.work / 'last.pt', 0)\n"
    + "task.leave()\n"
)


def evidence_of(update: dict[str, Any]) -> dict[str, Any]:
    return dict(update["evidence"])


def nothing_left(shop: Workshop) -> None:
    assert not shop.folder.exists()
    assert shop.outbox.attempts() == []
    assert shop.cgroups.find(shop.supervisor.name) is None


async def test_a_training_that_succeeds_is_told_with_its_result_and_leaves_nothing(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, STEPS + "print('hello')\nreporter.result({'m': 1}, 2)")
    last = await shop.run()
    assert last["status"] == "succeeded"
    assert last["result"]["metrics"] == {"m": 1.0}
    phases = [update["phase"] for update in shop.fake.updates if "phase" in update]
    assert phases == ["data", "starting", "training"]
    assert "hello\n" in "".join(update["log"]["text"] for update in shop.fake.updates if "log" in update)
    nothing_left(shop)


@pytest.mark.parametrize(
    ("body", "code", "claimed"),
    [
        ("raise TrainingError('DATASET_BROKEN', 'bad file')", 11, "DATASET_BROKEN"),
        ("raise TrainingError('TRAINING_DIVERGED', 'nan')", 10, "TRAINING_DIVERGED"),
        ("raise TrainingError('DOWNLOAD_FAILED', 'dns')", 12, "DOWNLOAD_FAILED"),
        ("raise MemoryError", 13, "HOST_OOM"),
        ("raise ValueError('odd')", 13, None),
        ("sys_exit = os._exit(3)", 3, None),
    ],
)
async def test_an_exit_is_told_with_its_code_and_what_the_trainer_claims(
    tmp_path: Path, body: str, code: int, claimed: str | None
) -> None:
    shop = Workshop(tmp_path, body)
    last = await shop.run()
    assert last["status"] == "failed"
    assert last.get("error", {}).get("code") == claimed
    told = evidence_of(last)
    assert told["exit_code"] == code
    assert told["exit_told_by"] == "shim"
    assert told["disk_free_bytes"] > 0
    assert 0 <= told["shm_used_fraction"] <= 1
    assert told["rusage"]["max_rss_bytes"] > 1e6
    nothing_left(shop)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
async def test_a_death_by_signal_is_told_with_the_signal(tmp_path: Path, number: signal.Signals) -> None:
    shop = Workshop(tmp_path, f"os.kill(os.getpid(), {int(number)})\ntime.sleep(9)")
    told = evidence_of(await shop.run())
    assert told["signal"] == number
    assert "killed_by" not in told
    assert told["process_heartbeat_age_s"] < 5
    if number is not signal.SIGKILL:
        assert "Fatal Python error" in told["log"]


async def test_a_killed_shim_hides_neither_success_nor_failure(tmp_path: Path) -> None:
    wait = "while not (task.work / 'go').exists():\n    time.sleep(0.01)\n"
    shop = Workshop(tmp_path, STEPS + wait + "reporter.result({}, 2)")
    task = await shop.started()
    os.kill(shop.supervisor.process.record["shim_pid"], signal.SIGKILL)
    (shop.folder / "work" / "go").touch()
    await task
    assert shop.fake.last["status"] == "succeeded"

    shop = Workshop(tmp_path / "2", STEPS + wait + "raise TrainingError('INVALID_CONFIG', 'x')")
    task = await shop.started()
    os.kill(shop.supervisor.process.record["shim_pid"], signal.SIGKILL)
    (shop.folder / "work" / "go").touch()
    await task
    told = evidence_of(shop.fake.last)
    assert (told["exit_code"], told["exit_told_by"]) == (11, "harness")

    shop = Workshop(tmp_path / "3", FOREVER)
    task = await shop.started()
    os.kill(shop.supervisor.process.record["shim_pid"], signal.SIGKILL)
    os.kill(shop.supervisor.process.pid, signal.SIGKILL)
    await task
    told = evidence_of(shop.fake.last)
    assert (told["signal"], told["exit_told_by"]) == (9, "inferred")


async def test_children_that_outlive_a_training_are_killed(tmp_path: Path) -> None:
    body = STEPS + "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nprint(child.pid)\nos._exit(3)"
    shop = Workshop(tmp_path, body)
    await shop.run()
    pid = int("".join(update["log"]["text"] for update in shop.fake.updates if "log" in update).split()[0])
    await reached(lambda: not Path(f"/proc/{pid}").exists() or b") Z" in Path(f"/proc/{pid}/stat").read_bytes(), seconds=5)


async def test_a_restarted_agent_adopts_the_running_training_and_tells_everything_once(tmp_path: Path) -> None:
    body = STEPS + "for n in range(2, 400):\n    reporter.progress(epoch=1, step=n, steps=n)\n    time.sleep(0.005)\n"
    shop = Workshop(tmp_path, body + "reporter.result({}, 1)")
    pids = set()
    for _ in range(4):
        task = asyncio.create_task(shop.supervisor.run())
        before = len(shop.fake.updates)
        await reached(lambda before=before: len(shop.fake.updates) > before + 20, task)
        pids.add(shop.supervisor.process.pid)
        task.cancel()  # as kill -9: nothing more is done
        await asyncio.gather(task, return_exceptions=True)
        shop.supervisor = shop.make()
    await shop.run()
    assert len(pids) == 1
    numbers = [update["progress"]["step"] for update in shop.fake.updates if "progress" in update]
    assert numbers == list(range(1, 400))
    assert shop.fake.last["status"] == "succeeded"


async def test_a_cancelled_training_ends_as_cancelled_with_its_evidence(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    task = await shop.started()
    shop.supervisor.stop("cancel")
    await task
    assert shop.fake.last["status"] == "cancelled"
    told = evidence_of(shop.fake.last)
    assert (told["exit_code"], told["killed_by"]) == (20, "cancel")


async def test_a_training_that_does_not_heed_a_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    body = (
        STEPS + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nreporter.progress(epoch=1, step=2, steps=2)\ntime.sleep(60)"
    )
    shop = Workshop(tmp_path, body, AgentSettings(grace=0.2, poll=0.01))
    task = await shop.started()
    await reached(lambda: len([u for u in shop.fake.updates if "progress" in u]) == 2, task)
    shop.supervisor.stop("cancel")
    await task
    assert shop.fake.last["status"] == "cancelled"
    assert evidence_of(shop.fake.last)["signal"] == 9


async def test_a_preempted_training_leaves_a_checkpoint_where_it_can(tmp_path: Path) -> None:
    """Its workers are not asked: they would die at once and fail the checkpoint."""
    shop = Workshop(tmp_path, COOPERATIVE)
    task = await shop.started()
    shop.supervisor.stop("shutdown", notice="SIGTERM to the agent")
    await task
    assert list(shop.fake.uploads.values()) == [b"half an epoch"]
    told = evidence_of(shop.fake.last)
    assert shop.fake.last["status"] == "failed"
    assert (told["exit_code"], told["killed_by"]) == (21, "shutdown")
    assert told["preemption_notice"] is True
    assert told["preemption_by"] == "SIGTERM to the agent"


async def test_a_time_limit_ends_a_training_as_the_supervisors_own_kill(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER, limits={"max_duration_s": 0.3})
    told = evidence_of(await shop.run())
    assert told["killed_by"] == "timeout"


HANG = AgentSettings(grace=3, poll=0.01, hang=HangLimits(warm_up=30, first=30, least=0.4))
LEARNED = STEPS + (
    "def waits_for_nothing():\n    threading.Event().wait()\n"
    "reporter.epoch_end(epoch=1)\nreporter.progress(epoch=2, step=1, steps=9)\nwaits_for_nothing()\n"
)


async def test_a_hung_training_is_killed_with_the_stack_it_hung_in(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, LEARNED, HANG)
    told = evidence_of(await shop.run())
    assert shop.fake.last["status"] == "failed"
    assert "killed_by" not in told
    assert told["signal"] == 9
    assert told["step_age_s"] >= told["step_limit_s"] >= 0.4
    assert told["heartbeat_age_s"] == 0.0
    assert told["process_state"] in "RSD"
    assert "in waits_for_nothing" in told["stack"]
    assert len(told["stack"]) <= 32 * 1024


async def test_a_stopped_process_is_hung_without_a_stack(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, LEARNED.replace("\nwaits_for_nothing()", "\nos.kill(os.getpid(), signal.SIGSTOP)"), HANG)
    told = evidence_of(await shop.run())
    assert told["process_state"] == "T"
    assert "stack" not in told
    assert told["step_limit_s"] >= 0.4


async def test_a_hang_that_was_found_before_the_agent_was_killed_is_still_one(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, LEARNED, HANG)
    task = asyncio.create_task(shop.supervisor.run())
    await reached((shop.folder / "hang.json").exists, task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    shop.supervisor = shop.make()
    told = evidence_of(await shop.run())
    assert told["step_age_s"] > told["step_limit_s"]
    assert "in waits_for_nothing" in told["stack"]


async def test_ranks_are_told_apart_and_the_earliest_is_the_root(tmp_path: Path) -> None:
    """Three processes of one training: rank 2 fails first, rank 0 only follows."""
    rank = (
        "import sys, time; from trainers.harness import record_rank_failures, TrainingError; record_rank_failures();"
        "n = int(sys.argv[1]); time.sleep(0 if n == 2 else 0.4); "
        "raise (TrainingError('CUDA_OOM', 'rank 2 is out of memory') if n == 2 else RuntimeError('connection closed'))"
    )
    body = STEPS + (
        "import subprocess, sys\n"
        f"code = {rank!r}\n"
        "env = lambda n: {**os.environ, 'RANK': str(n), 'WORLD_SIZE': '3'}\n"
        "ranks = [subprocess.Popen([sys.executable, '-c', code, str(n)], env=env(n)) for n in range(3)]\n"
        "ended = [process.wait() for process in ranks]\n"
        "raise RuntimeError(f'ranks ended with {ended}')\n"
    )
    shop = Workshop(tmp_path, body)
    last = await shop.run()
    told = evidence_of(last)
    assert told["ranks"][0]["rank"] == 2
    assert {entry["rank"] for entry in told["ranks"]} == {0, 1, 2}
    assert told["ranks"][0]["error"]["code"] == "CUDA_OOM"
    assert told["exceptions"][0]["message"] == "rank 2 is out of memory"
    assert last["error"]["code"] == "CUDA_OOM"


async def test_a_released_attempt_is_killed_and_forgotten(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    task = await shop.started()
    pid = shop.supervisor.process.pid
    shop.supervisor.release()
    await task
    assert not shop.supervisor.process.alive()
    assert shop.fake.last["status"] == "running"
    assert not Path(f"/proc/{pid}/fd").exists() or not os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - a zombie has none
    nothing_left(shop)


async def test_a_backend_that_ends_the_attempt_ends_the_training(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    task = await shop.started()
    shop.fake.fault = lambda request: (
        httpx2.Response(200, json={"accepted": 0, "last_seq": 99, "final": True}) if "callback" in request.url.path else None
    )
    shop.supervisor._append([{"status": "running", "at": "2026-01-01T00:00:00Z", "phase": "x"}])
    await asyncio.wait_for(task, 20)
    nothing_left(shop)


async def test_data_that_cannot_be_fetched_fail_the_attempt_without_a_process(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    shop.fake.files["/archive"] = b"no tar at all"
    last = await shop.run()
    assert last["error"]["code"] == "DOWNLOAD_FAILED"
    shop = Workshop(tmp_path / "2", FOREVER)
    shop.fake.fault = lambda request: error_answer(404, "DATASET_NOT_FOUND") if request.url.path == "/archive" else None
    last = await shop.run()
    assert last["error"]["code"] == "DATASET_NOT_FOUND"
    nothing_left(shop)


async def test_a_cancel_before_the_training_runs_ends_it_without_one(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    shop.supervisor.process.note_kill("cancel")
    assert (await shop.run())["status"] == "cancelled"


async def test_a_trainer_without_an_interpreter_is_told_as_such(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, FOREVER)
    shop.supervisor.framework = type(shop.framework)("toy", shop.framework.folder, tmp_path / "no-python", {})
    last = await shop.run()
    assert last["error"]["code"] == "SYSTEM_ERROR"
    assert "could not be started" in last["error"]["message"]
    assert "no-python" in last["error"]["message"]
