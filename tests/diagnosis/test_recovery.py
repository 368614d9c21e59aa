"""What is decided about failed attempts: by example, and for any sequence of failures."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.error_messages import REGISTRY
from app.core.fixes import fixes_for
from app.diagnosis.evidence import Diagnosis
from app.diagnosis.history import AttemptRecord
from app.diagnosis.recovery import BUDGETS, LADDERS, MOST_FACTOR, Decision, Failure, applied, decide
from app.schemas.training import TrainingConfig

CONFIG = TrainingConfig(model="yolo11n", dataset_id="d", batch_size=32, image_size=640, workers=4, lr0=0.01).model_dump()
MOST_ATTEMPTS = (
    1 + sum(ladder.rungs for ladder in LADDERS.values()) + MOST_FACTOR * (BUDGETS["platform"] + BUDGETS["preemption"])
)
"""No job has more attempts, whatever happens to it."""


def diagnosis(code: str, config: dict[str, Any], entity: str | None = None, mark: str = "a", **facts: Any) -> Diagnosis:
    params = {**config, **facts}
    return Diagnosis(code, 0.9, entity, (), f"v1:{mark}", params, tuple(fixes_for(code, params)))


class Story:
    """A job's failures one after the other, each decided on by those before."""

    def __init__(self, **config: Any) -> None:
        self.config = {**CONFIG, **config}
        self.past: list[AttemptRecord] = []
        self.decisions: list[Decision] = []

    def fails(
        self,
        code: str,
        *,
        epoch: int | None = 0,
        exact: bool = True,
        agent: str = "a-1",
        resumed: bool = False,
        **facts: Any,
    ) -> Decision:
        """The decision on the next attempt's failure."""
        found = diagnosis(code, self.config, **facts)
        failure = Failure(found, epoch, exact=exact, agent_id=agent, resumed=resumed)
        _, decision = decide(failure, self.past, self.config, rng=random.Random(1))
        record = AttemptRecord(len(self.past) + 1, code, found.fingerprint, found.entity, epoch, decision.action, agent)
        self.past.append(record)
        self.decisions.append(decision)
        self.config = decision.config or self.config
        return decision

    @property
    def batch(self) -> tuple[int, int]:
        return self.config["batch_size"], self.config["accumulate"]


@pytest.mark.parametrize("code", sorted(code for code, row in REGISTRY.items() if row.reaction in ("fail", "none")))
def test_what_cannot_be_helped_is_not_tried_again(code: str) -> None:
    decision = Story().fails(code)
    assert (decision.action, decision.config) == ("fail", None)
    assert decision.reason.endswith("cannot help")


def test_a_code_that_the_registry_does_not_know_ends_the_job() -> None:
    assert Story().fails("NO_SUCH_CODE").action == "fail"


@pytest.mark.parametrize("code", ["CUDA_OOM", "HOST_OOM"])
def test_memory_halves_the_batch_and_keeps_the_effective_one_until_nothing_is_left(code: str) -> None:
    story, seen = Story(workers=0, batch_size=8), []
    while story.fails(code).action == "repair":
        seen.append(story.batch)
    assert seen == [(4, 2), (2, 4), (1, 8)]
    assert story.decisions[-1].reason == "nothing is left to repair by itself"


def test_memory_is_repaired_at_any_epoch_without_waiting() -> None:
    decision = Story().fails("CUDA_OOM", epoch=57)
    assert (decision.action, decision.wait_s, decision.reason) == ("repair", 0.0, "Batch size 32 → 16")


def test_host_memory_takes_workers_away_together_with_the_batch() -> None:
    story = Story()
    assert story.fails("HOST_OOM").reason == "Batch size 32 → 16, Loader workers 4 → 2"
    assert (story.batch, story.config["workers"]) == ((16, 2), 2)


def test_memory_in_validation_leaves_the_training_batch_alone() -> None:
    story = Story()
    assert story.fails("CUDA_OOM", phase="validating").reason == "Validation batch 64 → 32"
    assert (story.batch, story.config["val_batch_size"]) == ((32, 1), 32)


def test_memory_that_stays_short_ends_after_six_halvings() -> None:
    story = Story(batch_size=4096)
    assert [story.fails("CUDA_OOM").action for _ in range(7)] == ["repair"] * 6 + ["fail"]


def test_a_device_that_is_named_again_does_not_stop_a_repair() -> None:
    story = Story()
    assert [story.fails("CUDA_OOM", entity="GPU 0").action for _ in range(3)] == ["repair"] * 3


def test_divergence_lowers_the_rate_twice_at_most_however_far_it_comes() -> None:
    story = Story()
    assert [story.fails("TRAINING_DIVERGED", epoch=epoch).action for epoch in (3, 9, 20)] == ["repair", "repair", "fail"]
    assert story.config["lr0"] == pytest.approx(0.0001)


def test_divergence_keeps_the_optimizer_that_was_chosen() -> None:
    story = Story(lr0=None)
    decision = story.fails("TRAINING_DIVERGED", lr0=0.000714, optimizer="auto")
    assert decision.config is not None
    assert (decision.config["lr0"], decision.config["settings"]) == (pytest.approx(7.14e-05), {"optimizer": "auto"})
    assert CONFIG["settings"] == {}


def test_full_shared_memory_takes_workers_then_files_then_no_workers() -> None:
    story = Story()
    reasons = [story.fails("SHM_EXHAUSTED").reason for _ in range(4)]
    assert reasons[:3] == ["Loader workers 4 → 2", "Hand images over in files", "Load images in the training process"]
    assert story.decisions[3].action == "fail"


def test_workers_that_cannot_start_are_left_out_once() -> None:
    story = Story()
    assert story.fails("WORKER_STARTUP_ERROR").config is not None
    assert story.config["workers"] == 0
    assert story.fails("WORKER_STARTUP_ERROR").action == "fail"


def test_a_checkpoint_that_cannot_be_loaded_is_passed_over_and_weights_of_the_user_are_not() -> None:
    story = Story()
    assert story.fails("CHECKPOINT_INVALID", resumed=True).reason == "going on from the checkpoint before"
    assert Story().fails("CHECKPOINT_INVALID", resumed=False).action == "fail"


def test_each_user_code_has_a_ladder_of_its_own() -> None:
    story = Story()
    kinds = ("CUDA_OOM", "TRAINING_DIVERGED", "CUDA_OOM", "WORKER_STARTUP_ERROR")
    assert {story.fails(code).action for code in kinds} == {"repair"}


def test_platform_failures_are_tried_again_three_times() -> None:
    story = Story()
    actions = [story.fails("TRAINER_CRASHED", mark=str(number)).action for number in range(4)]
    assert actions == ["retry"] * 3 + ["fail"]
    assert story.decisions[-1].reason == "tried again 3 of 3 times already"


def test_preemptions_are_tried_again_ten_times_and_cost_the_platform_budget_nothing() -> None:
    story = Story()
    assert [story.fails("JOB_PREEMPTED").action for _ in range(11)] == ["retry"] * 10 + ["fail"]
    story = Story()
    for _ in range(5):
        story.fails("JOB_PREEMPTED")
    assert story.fails("TRAINER_CRASHED").reason.endswith("(1 of 3)")


def test_progress_fills_the_budget_up_again() -> None:
    story = Story()
    for epoch in (0, 0, 0):
        story.fails("TRAINER_CRASHED", epoch=epoch)
    assert story.fails("TRAINER_CRASHED", epoch=4).reason.endswith("(1 of 3)")


def test_progress_cannot_keep_a_job_going_for_ever() -> None:
    story = Story()
    actions = [story.fails("JOB_PREEMPTED", epoch=epoch).action for epoch in range(60)]
    assert Counter(actions)["retry"] == MOST_FACTOR * BUDGETS["preemption"]


def test_unknown_progress_is_given_more_than_none() -> None:
    story = Story()
    actions = [story.fails("TRAINER_LOST", epoch=None, agent=str(number)).action for number in range(7)]
    assert actions == ["elsewhere"] * 6 + ["fail"]


def test_the_same_failure_with_the_same_entity_is_not_tried_a_second_time() -> None:
    story = Story()
    assert story.fails("TRAINER_CRASHED", entity="a.png").action == "retry"
    assert story.fails("TRAINER_CRASHED", entity="a.png").reason == "the same failure again with `a.png`"


def test_a_host_that_is_named_twice_by_a_passing_failure_does_not_end_the_job() -> None:
    story = Story()
    assert [story.fails("DOWNLOAD_FAILED", entity="files.test").action for _ in range(3)] == ["retry"] * 3


def test_the_namesake_on_another_machine_is_not_the_same_entity() -> None:
    story = Story()
    assert story.fails("GPU_HARDWARE_FAULT", entity="GPU 0", agent="a-1").exclude_agent
    assert story.fails("GPU_HARDWARE_FAULT", entity="GPU 0", agent="a-2").action == "elsewhere"
    assert story.fails("GPU_HARDWARE_FAULT", entity="GPU 0", agent="a-2").action == "fail"


def test_a_machine_that_fails_in_the_same_way_twice_is_left_out() -> None:
    story = Story()
    assert not story.fails("TRAINER_CRASHED", agent="a-1").exclude_agent
    assert story.fails("TRAINER_CRASHED", agent="a-1").exclude_agent
    assert not story.fails("TRAINER_CRASHED", agent="a-2").exclude_agent


def test_the_wait_is_the_policys_and_what_the_error_asks_for_comes_on_top() -> None:
    assert 4 <= Story().fails("TRAINER_CRASHED").wait_s <= 8
    assert 64 <= Story().fails("NETWORK_ERROR", retry_after=60).wait_s <= 68
    assert Story().fails("NETWORK_ERROR", retry_after=10**9).wait_s <= 3608
    assert Story().fails("NETWORK_ERROR", retry_after="soon").wait_s <= 8
    assert Story().fails("NETWORK_ERROR", retry_after=True).wait_s <= 8


def test_a_patch_leaves_the_configuration_that_it_was_made_from_as_it_was() -> None:
    before = {"settings": {"a": 1}, "batch_size": 2}
    patch = [{"path": "/settings/b", "value": 2}, {"path": "/batch_size", "value": 1}, {"path": "/more/deep", "value": 3}]
    assert applied(before, patch) == {"settings": {"a": 1, "b": 2}, "batch_size": 1, "more": {"deep": 3}}
    assert before == {"settings": {"a": 1}, "batch_size": 2}


EPOCHS = st.one_of(st.none(), st.integers(0, 100_000))
FAILURES = st.tuples(
    st.sampled_from(sorted(REGISTRY)),
    EPOCHS,
    st.booleans(),
    st.sampled_from(["a-1", "a-2", "a-3"]),
    st.booleans(),
    st.sampled_from([None, "a.png", "b.png"]),
    st.sampled_from(["a", "b"]),
)


def told(failures: Sequence[Any], **config: Any) -> Story:
    """The story of a job that fails in these ways until it is given up."""
    story = Story(**config)
    for code, epoch, exact, agent, resumed, entity, mark in failures:
        decision = story.fails(code, epoch=epoch, exact=exact, agent=agent, resumed=resumed, entity=entity, mark=mark)
        if decision.action == "fail":
            break
    return story


@settings(max_examples=300, deadline=None)
@given(st.lists(FAILURES, min_size=1, max_size=140), st.integers(1, 4096), st.sampled_from([None, 0, 1, 8]))
def test_whatever_happens_a_job_has_a_bounded_number_of_attempts(failures: Any, batch: int, workers: int | None) -> None:
    story = told(failures, batch_size=batch, workers=workers)
    assert len(story.past) <= MOST_ATTEMPTS
    repairs = Counter(record.code for record in story.past if record.action == "repair")
    assert all(count <= LADDERS[str(code)].rungs for code, count in repairs.items())
    for budget in ("platform", "preemption"):
        drawn = [
            record
            for record in story.past
            if record.action in ("retry", "elsewhere") and REGISTRY[str(record.code)].budget == budget
        ]
        assert len(drawn) <= MOST_FACTOR * BUDGETS[budget]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(sorted(code for code, row in REGISTRY.items() if row.reaction in ("retry", "elsewhere"))),
        min_size=160,
        max_size=160,
    )
)
def test_a_job_that_always_comes_further_still_ends(codes: list[str]) -> None:
    story = told([(code, epoch, True, "a-1", False, None, "a") for epoch, code in enumerate(codes)])
    assert story.decisions[-1].action == "fail"


@settings(max_examples=200, deadline=None)
@given(st.lists(FAILURES, min_size=1, max_size=30))
def test_every_decision_can_be_carried_out(failures: Any) -> None:
    story = told(failures)
    for record, decision in zip(story.past, story.decisions, strict=True):
        assert decision.reason
        assert 0 <= decision.wait_s <= 3600 + 30
        if decision.action == "fail":
            assert decision.config is None
            continue
        TrainingConfig.model_validate(decision.config)
        assert decision.config is not None
        assert decision.config["batch_size"] * decision.config["accumulate"] == 32
        assert bool(decision.patch) == (decision.action == "repair" and record.code != "CHECKPOINT_INVALID")


@settings(max_examples=200, deadline=None)
@given(st.lists(FAILURES, min_size=2, max_size=30))
def test_the_same_failure_of_the_same_file_on_the_same_machine_never_gets_a_third_attempt(failures: Any) -> None:
    story = told(failures)
    retried = Counter(
        (record.code, record.fingerprint, record.entity, record.agent_id)
        for record in story.past
        if record.action == "retry" and record.entity is not None and REGISTRY[str(record.code)].type != "transient"
    )
    assert all(count == 1 for count in retried.values())


@settings(max_examples=100, deadline=None)
@given(FAILURES, st.integers(0, 2**32))
def test_a_decision_depends_on_its_arguments_alone(failure: Any, seed: int) -> None:
    code, epoch, exact, agent, resumed, entity, mark = failure
    asked = Failure(diagnosis(code, CONFIG, entity, mark), epoch, exact=exact, agent_id=agent, resumed=resumed)
    first, second = (decide(asked, [], CONFIG, rng=random.Random(seed)) for _ in range(2))
    assert first == second
