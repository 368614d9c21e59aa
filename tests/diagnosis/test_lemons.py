"""A machine on which much more fails than on the others is suspected, and no other."""

from app.diagnosis.lemons import Ended, suspicion


def ended(agent: str, *codes: str | None, job: str = "") -> list[Ended]:
    return [Ended(agent, job or f"{agent}{number}", code) for number, code in enumerate(codes)]


GOOD = ended("good", None, None, None, None)


def test_a_machine_that_fails_where_others_do_not_is_suspected_and_the_figures_are_told() -> None:
    bad = ended("bad", "TRAINER_CRASHED", "CUDA_ERROR", "CUDA_ERROR", None)
    told = suspicion("bad", bad + GOOD)
    assert told == "3 of 4 attempts failed here (CUDA_ERROR, TRAINER_CRASHED), 0 of 4 elsewhere"
    assert suspicion("good", bad + GOOD) is None


def test_what_fails_everywhere_is_no_machines_fault() -> None:
    codes = ("STORAGE_ERROR",) * 3
    assert suspicion("a", ended("a", *codes) + ended("b", *codes)) is None
    assert suspicion("a", ended("a", *codes) + ended("b", "STORAGE_ERROR", None, None, None, None)) is not None


def test_without_a_comparison_nothing_is_said() -> None:
    assert suspicion("a", ended("a", *("CUDA_ERROR",) * 9)) is None
    assert suspicion("a", ended("a", *("CUDA_ERROR",) * 9) + ended("b", None, None)) is None


def test_users_failures_and_preemptions_do_not_count() -> None:
    assert suspicion("a", ended("a", *("CUDA_OOM",) * 5, *("JOB_PREEMPTED",) * 5) + GOOD) is None


def test_one_job_alone_proves_nothing() -> None:
    one = ended("a", *("CUDA_ERROR",) * 5, job="J-1")
    assert suspicion("a", one + GOOD) is None
    assert suspicion("a", one + ended("a", "CUDA_ERROR", job="J-2") + GOOD) is not None


def test_a_few_failures_among_many_trainings_are_usual() -> None:
    assert suspicion("a", ended("a", *("CUDA_ERROR",) * 3, *(None,) * 4) + GOOD) is None
