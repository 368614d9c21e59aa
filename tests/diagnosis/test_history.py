"""How a failure compares with the attempts before it."""

from app.diagnosis.history import AttemptRecord, compare, since_progress


def record(number: int = 1, epoch: int | None = 0, **fields: str | None) -> AttemptRecord:
    values = {
        "code": "TRAINER_CRASHED",
        "fingerprint": "v1:a",
        "entity": None,
        "action": "retry",
        "agent_id": "a-1",
        **fields,
    }
    return AttemptRecord(number=number, epoch_reached=epoch, **values)  # type: ignore[arg-type]


def test_a_first_failure_has_no_history() -> None:
    history = compare([], "TRAINER_CRASHED", "v1:a", "x.png", 3)
    assert history.to_dict() == {"same_failure": False, "same_entity": False, "progress": None, "best_epoch": None}


def test_the_same_failure_is_the_last_ones_code_and_fingerprint() -> None:
    assert compare([record()], "TRAINER_CRASHED", "v1:a", None, 0).same_failure
    assert not compare([record()], "TRAINER_CRASHED", "v1:b", None, 0).same_failure
    assert not compare([record(), record(2, code="NETWORK_ERROR")], "TRAINER_CRASHED", "v1:a", None, 0).same_failure


def test_the_same_entity_counts_from_any_earlier_attempt() -> None:
    past = [record(entity="a.png"), record(2, code="TRAINER_LOST", fingerprint="v1:z")]
    assert compare(past, "TRAINER_CRASHED", "v1:a", "a.png", 0).same_entity
    assert not compare(past, "TRAINER_CRASHED", "v1:a", "b.png", 0).same_entity
    assert not compare([record()], "TRAINER_CRASHED", "v1:a", None, 0).same_entity


def test_progress_is_measured_against_the_best_attempt_and_not_the_last() -> None:
    past = [record(epoch=5), record(2, epoch=2)]
    assert compare(past, "X", "f", None, 4).progress is False
    assert compare(past, "X", "f", None, 6).progress is True
    assert compare(past, "X", "f", None, 6).best_epoch == 5


def test_progress_that_is_not_known_is_unknown_and_not_none() -> None:
    assert compare([record(epoch=5)], "X", "f", None, None).progress is None
    assert compare([record(epoch=None)], "X", "f", None, 4).progress is None
    assert compare([record(epoch=5), record(2, epoch=None)], "X", "f", None, 5).progress is None


def test_an_attempt_that_may_have_come_further_than_it_told_has_unknown_progress() -> None:
    assert compare([record(epoch=5)], "TRAINER_LOST", "f", None, 5, exact=False).progress is None
    assert compare([record(epoch=5)], "TRAINER_LOST", "f", None, 6, exact=False).progress is True


def test_attempts_since_the_last_progress_include_the_one_that_made_it() -> None:
    past = [record(1, 0), record(2, 3), record(3, 3), record(4, None), record(5, 1)]
    assert [item.number for item in since_progress(past)] == [2, 3, 4, 5]
    assert since_progress([]) == []
