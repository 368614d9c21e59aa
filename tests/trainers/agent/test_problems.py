"""Failures of the agent itself, until the backend was told of them."""

from trainers.agent.problems import LONGEST, MOST, Problems


def failed(text: str) -> Exception:
    """A failure as it is caught."""
    try:
        int(text)
    except ValueError as error:
        return error
    raise AssertionError


def test_a_failure_is_kept_with_its_frames_and_the_attempt_that_it_concerns() -> None:
    problems = Problems()
    problems.note(failed("x"), ("J-1", 2))
    (problem,) = problems.waiting()
    assert (problem["type"], problem["module"], problem["job_id"], problem["attempt"]) == (
        "ValueError",
        "builtins",
        "J-1",
        2,
    )
    assert problem["frames"][-1]["function"] == "failed"
    assert problem["frames"][-1]["code"] == "int(text)"


def test_what_was_told_is_forgotten_and_what_came_since_stays() -> None:
    problems = Problems()
    problems.note(failed("a"))
    told = problems.waiting()
    problems.note(failed("b"))
    problems.told(told)
    assert len(problems.waiting()) == 1
    assert "'b'" in problems.waiting()[0]["message"]


def test_what_waits_for_a_backend_that_is_away_is_bounded() -> None:
    problems = Problems()
    for number in range(3 * MOST):
        problems.note(failed(f"{number}x" * LONGEST))
    assert len(problems.waiting()) == MOST
    assert all(len(problem["message"]) <= LONGEST for problem in problems.waiting())
