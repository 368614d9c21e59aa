"""What is told of an end from outside, piece by piece."""

import json
import os
from pathlib import Path

from app.diagnosis.evidence import Evidence
from trainers.agent import evidence


def test_a_tail_begins_with_a_whole_line_and_holds_nothing_that_swells_on_the_wire(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"first line\nsecond\x00\xff line\r\n\x1b[1mlast\n")
    assert evidence.tail(file, 25) == "second\ufffd\ufffd line\r\n\x1b[1mlast\n"
    assert evidence.tail(file).startswith("first line\n")
    file.write_bytes(b"\x00" * 300_000)
    assert len(json.dumps(evidence.tail(file), ensure_ascii=False).encode()) < 800_000
    assert evidence.tail(tmp_path / "absent") == ""


def test_disks_are_measured_where_they_are(tmp_path: Path) -> None:
    assert 0 <= evidence.used_fraction(str(tmp_path)) <= 1
    assert evidence.used_fraction("/no/such/place") is None
    assert evidence.free_bytes(Path("/no/such/place")) is None


def test_the_heartbeats_age_is_that_of_its_file(tmp_path: Path) -> None:
    assert evidence.heartbeat_age(tmp_path, 0) is None
    (tmp_path / "heartbeat").touch()
    os.utime(tmp_path / "heartbeat", (1000, 1000))
    assert evidence.heartbeat_age(tmp_path, 1012.5) == 12.5
    assert evidence.heartbeat_age(tmp_path, 900) == 0


def rank(folder: Path, number: int, at: str, code: str | None, message: str) -> None:
    record = {"at": at, "code": code, "rank": number, "exceptions": [{"type": "E", "message": message}], "exit_code": 13}
    (folder / f"error.rank{number}.json").write_text(json.dumps(record))


def test_of_several_ranks_the_earliest_is_the_root_whatever_its_number(tmp_path: Path) -> None:
    rank(tmp_path, 0, "2026-11-25T01:00:02.000Z", None, "connection closed by peer")
    rank(tmp_path, 3, "2026-11-25T01:00:01.000Z", "CUDA_OOM", "out of memory")
    (tmp_path / "error.json").write_text(json.dumps({"at": "2026-11-25T01:00:03.000Z", "exceptions": [{"type": "R"}]}))
    (tmp_path / "error.rank9.json").write_text("{ cut off")
    (tmp_path / "log.rank3.txt").write_text("rank 3 said this\n")
    found = evidence.ranks(tmp_path)
    assert [(entry["rank"], entry["log"]) for entry in found] == [(3, "rank 3 said this\n"), (0, "")]
    assert found[0]["error"]["code"] == "CUDA_OOM"
    assert evidence.root_record(tmp_path)["rank"] == 3


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = evidence.collect(tmp_path, {"exit_code": 1, "told_by": "shim"}, {"killed_by": None})
    assert set(found) == {"log", "exit_code", "exit_told_by", "shm_used_fraction", "disk_free_bytes"}


def test_a_crash_that_only_the_log_tells_is_not_called_a_kill(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("Fatal Python error: Segmentation fault\n")
    ended = {"exit_code": None, "signal": 9, "told_by": "inferred"}
    assert "signal" not in evidence.collect(tmp_path, ended, {})
    (tmp_path / "log.txt").write_text("epoch 1\n")
    assert evidence.collect(tmp_path, ended, {})["signal"] == 9


def test_the_backend_reads_every_field_that_the_contract_names(tmp_path: Path) -> None:
    rank(tmp_path, 1, "2026-11-25T01:00:01.000Z", "CUDA_OOM", "out of memory")
    (tmp_path / "hang.json").write_text(
        json.dumps({"step_age_s": 90.0, "step_limit_s": 60.0, "heartbeat_age_s": 0.0, "process_state": "S"})
    )
    (tmp_path / "stack.txt").write_text("Thread 0x1\n" + "x" * 40_000)
    outside = {"killed_by": "cancel", "oom_kill_delta": 2, "preemption_notice": True}
    found = evidence.collect(tmp_path, {"exit_code": None, "signal": 9, "told_by": "shim"}, outside)
    read = Evidence.from_dict(found)
    assert (read.signal, read.killed_by, read.oom_kill_delta, read.preemption_notice) == (9, "cancel", 2, True)
    assert (read.step_age_s, read.step_limit_s, read.heartbeat_age_s) == (90.0, 60.0, 0.0)
    assert read.ranks[0]["rank"] == 1
    assert read.disk_free_bytes > 0
    assert found["stack"].startswith("Thread")
    assert len(found["stack"]) == evidence.STACK_BYTES


def test_the_claim_is_the_trainers_own_with_the_facts_for_its_message() -> None:
    record = {
        "code": "CUDA_OOM", "exceptions": [{"message": "tried 20 MiB"}], "details": {"phase": "train"},
        "config_excerpt": {"batch_size": 8},
    }  # fmt: skip
    assert evidence.claimed_error(record) == {
        "type": None, "code": "CUDA_OOM", "message": "tried 20 MiB", "details": {"batch_size": 8, "phase": "train"},
    }  # fmt: skip
    assert evidence.claimed_error({"code": None}) is None
