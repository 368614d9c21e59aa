"""From the harness's files to updates."""

import json
from pathlib import Path

from trainers.agent import journal
from trainers.agent.journal import clean, last_result, read_events, read_lines, read_log


def test_half_a_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"one\ntwo\nthr")
    assert read_lines(file, 0) == ([b"one", b"two"], 8)
    file.write_bytes(b"one\ntwo\nthree\n")
    assert read_lines(file, 8) == ([b"three"], 14)
    assert read_lines(tmp_path / "absent", 3) == ([], 3)


def test_harness_lines_become_updates_and_the_result_is_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = [
        {"at": "t", "kind": "phase", "phase": "training"},
        {"at": "t", "kind": "progress", "epoch": 1, "step": 2, "lr": None, "losses": {"l": 0.5}},
        {"at": "t", "kind": "epoch", "epoch": 1, "metrics": {"m": 1.0}, "duration_s": 3},
        {"at": "t", "kind": "checkpoint", "name": "last.pt", "path": "checkpoints/1", "epoch": 1},
        {"at": "t", "kind": "artifact", "name": "p.png", "path": "work/p.png", "media_type": "image/png", "role": "plot"},
        {"at": "t", "kind": "something new"},
        {"at": "t", "kind": "result", "metrics": {"m": 1.0}, "epochs": 1, "duration_s": 4},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = read_events(file, 0)
    assert [sorted(update) for update in events.updates] == [
        ["at", "phase", "status"], ["at", "progress", "status"], ["at", "progress", "status"],
        ["artifact", "at", "file", "status"], ["artifact", "at", "file", "status"],
    ]  # fmt: skip
    assert events.updates[1]["progress"] == {"epoch": 1, "step": 2, "losses": {"l": 0.5}, "epoch_end": False}
    assert events.updates[2]["progress"]["epoch_end"] is True
    assert events.updates[3]["artifact"]["name"] == "checkpoints/last.pt"
    assert events.result == {"metrics": {"m": 1.0}, "epochs": 1, "duration_s": 4}
    assert last_result(file) == events.result
    assert last_result(tmp_path / "absent") is None


def test_a_line_that_a_full_disk_cut_off_does_not_take_its_neighbours_with_it(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    whole = '{"at":"t","kind":"phase","phase":"data"}\n'
    file.write_text(whole + '{"at":"t","ki\n' + whole)
    assert len(read_events(file, 0).updates) == 2


def test_output_is_told_as_a_person_reads_it() -> None:
    assert clean("\x1b[31mred\x1b[0m\r\n10%\r50%\r100%\nend\x00\x07") == "red\n100%\nend��"


def test_log_comes_in_whole_lines_while_the_training_runs_and_wholly_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text("first\nsec")
    piece = read_log(file, 0, "t", ended=False)
    assert piece.update["log"] == {"offset": 0, "text": "first\n", "dropped_bytes": 0}
    assert read_log(file, piece.offset, "t", ended=False).update is None
    rest = read_log(file, piece.offset, "t", ended=True)
    assert rest.update["log"]["text"] == "sec"
    assert read_log(file, rest.offset, "t", ended=True).update is None
    assert read_log(tmp_path / "absent", 0, "t", ended=True).update is None


def test_after_the_cap_only_the_end_of_a_log_is_told_with_what_was_left_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "LOG_CAP_BYTES", 100)
    monkeypatch.setattr(journal, "TAIL_BYTES", 50)
    file = tmp_path / "log.txt"
    file.write_text("x" * 99 + "\n" + "y" * 99 + "\n" + "z" * 49 + "\n")
    assert read_log(file, 100, "t", ended=False).update is None
    log = read_log(file, 100, "t", ended=True).update["log"]
    assert log == {"offset": 200, "text": "z" * 49 + "\n", "dropped_bytes": 100}
