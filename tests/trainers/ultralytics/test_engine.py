"""Trainings with the platform's trainer: steps and rates under repair, going on from a checkpoint, divergence."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., list[Any]]

STEPS = """
import train, ultralytics
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils.torch_utils import unwrap_model
seen = []
step = BaseTrainer.optimizer_step
def recorded(self):
    groups = self.optimizer.param_groups
    seen.append([[round(group["lr"], 9), round(group["weight_decay"], 9), round(group["betas"][0], 6)] for group in groups])
    step(self)
BaseTrainer.optimizer_step = recorded
def run(name, **config):
    seen.clear()
    task = assignment(name, epochs=4, **config)
    train.train(task)
    tell([list(seen), [event["steps"] for event in events(task, "progress")][-1]])
run("whole", batch_size=32)
run("pieces", batch_size=16, accumulate=2)
seen.clear()
task = assignment("stock", epochs=4)
given = train.arguments(task, train.Plan.of(task.config), "cpu")
ultralytics.YOLO("yolo11n-cls.yaml").train(**given, data=str(HERE / "digits"))
tell([list(seen), None])
"""


def test_a_repaired_training_takes_the_same_optimizer_steps_with_the_same_rates(in_trainer: Run) -> None:
    """Also the same as Ultralytics without anything of ours: rates, weight decay and momentum of every single step."""
    (whole, steps), (pieces, steps_in_pieces), (stock, _) = in_trainer(STEPS)
    assert len(whole) >= 12
    assert (pieces, steps_in_pieces) == (whole, steps)
    assert stock == whole


RESUMED = """
import torch, train
from preflight import load_weights
first = assignment("first", epochs=4)
train.train(first)
kept = [first.folder / event["path"] for event in events(first, "checkpoint")]
def told(task):
    return [[event["epoch"], event["lr"], event["metrics"], event["losses"]["val/loss"]] for event in events(task, "epoch")]
def resumed(name, **config):
    task = assignment(name, epochs=4, resume=kept[1], resume_epoch=2, **config)
    train.train(task)
    return task
tell(told(first))
second = resumed("second")
tell([told(second), (second.work / "run" / "results.csv").read_text().count(chr(10))])
tell(told(resumed("slower", lr0=0.0000714, settings={"optimizer": "auto"})))
third = assignment("third", epochs=4, resume=kept[3], resume_epoch=4)
train.train(third)
(result,), artifacts = events(third, "result"), [event["name"] for event in events(third, "artifact")]
tell([told(third), events(first, "result")[0]["metrics"], result["metrics"], result["epochs"], artifacts])
stored = load_weights(kept[1])
live = stored["vtp"]
weights = [value for value in live["model"].values() if value.is_floating_point()]
tell([sorted(live), all(value.dtype == torch.float32 for value in weights)])
"""


@pytest.fixture(scope="module")
def resumed(in_trainer: Run) -> list[Any]:
    """What is told of a training of four epochs and of those that went on from its second epoch and from its end."""
    return in_trainer(RESUMED)


def test_a_resumed_training_goes_on_where_it_was(resumed: list[Any]) -> None:
    first, (second, rows), _, done, (kept, in_full) = resumed
    assert [epoch for epoch, *_ in second] == [3, 4]
    assert [rate for _, rate, *_ in second] == [rate for _, rate, *_ in first[2:]]
    assert [loss for *_, loss in second] == pytest.approx([loss for *_, loss in first[2:]], abs=0.1)
    assert rows == 1 + 4, "the table holds all epochs, those of the attempt before too"
    assert kept == ["best", "model", "optimizer", "step"]
    assert in_full
    epochs, reached, measured, count, artifacts = done
    assert (epochs, count) == ([], 4), "where all epochs were done, only the measuring is left"
    assert measured == pytest.approx(reached, abs=0.026), "of the best weights, which came along"
    assert {"best.pt", "last.pt"} <= set(artifacts)


def test_a_lower_rate_takes_effect_on_a_resumed_training(resumed: list[Any]) -> None:
    first, _, slower, *_ = resumed
    ratios = [after / before for (_, before, *_), (_, after, *_) in zip(first[2:], slower, strict=True)]
    assert ratios == pytest.approx([0.1, 0.1], rel=0.05)


def test_a_training_with_checkpoints_within_an_epoch_does_only_the_rest_of_it(in_trainer: Run) -> None:
    code = """
    import train
    from trainers.harness import Stopped
    first = assignment("first", epochs=2, batch_size=8, settings={"checkpoint_every_steps": 2})
    first.stop._requested = False
    write = first.reporter.progress
    def progress(**told):
        write(**told)
        first.stop._requested = (told["epoch"], told["step"]) >= (1, 5)
    first.reporter.progress = progress
    try:
        train.train(first)
    except Stopped:
        tell("stopped")
    last = events(first, "checkpoint")[-1]
    second = assignment("second", epochs=2, batch_size=8, resume=first.folder / last["path"], resume_epoch=last["epoch"])
    train.train(second)
    steps = [[event["epoch"], event["step"], event["steps"]] for event in events(second, "progress")]
    tell(len(events(first, "checkpoint")))
    tell([last["epoch"], steps[0], steps[-1], [event["epoch"] for event in events(second, "epoch")]])
    """
    stopped, checkpoints, (epoch, first, last, epochs) = in_trainer(code)
    assert stopped == "stopped"
    assert checkpoints >= 3, "two at their steps, one for the stop"
    assert epoch == 0
    assert first[0] == 1
    assert 6 <= first[1] <= 8
    assert (last, epochs) == ([2, 17, 17], [1, 2])


DIVERGED = """
import math, torch
from types import SimpleNamespace
import engine
class Bare(engine.Watched):
    epoch, args = 4, SimpleNamespace(lr0=0.01)
for case in GIVEN["cases"]:
    bare = Bare()
    bare.plan, bare.amp = engine.Plan(16, 1, 32, rate=case.get("rate")), case.get("amp", False)
    bare.loss_items = bare.tloss = {"loss": torch.tensor(float(case["loss"]))}
    bare.fitness = case.get("fitness", 0.5)
    def all_steps():
        for _ in range(case.get("steps", 1)):
            bare.check_step()
    tell([refusal(all_steps), refusal(lambda: bare._handle_nan_recovery(4))])
"""
CASES: dict[str, dict[str, Any]] = {
    "nan": {"loss": "nan"},
    "inf": {"loss": "inf"},
    "few steps": {"loss": "nan", "amp": True, "steps": 10},
    "more steps": {"loss": "nan", "amp": True, "steps": 11, "rate": 0.01},
    "learns nothing": {"loss": 0, "fitness": 0.0},
    "has learned all": {"loss": 0, "fitness": 0.99},
    "no fitness": {"loss": 1, "fitness": float("nan")},
}


@pytest.fixture(scope="module")
def judged(in_trainer: Run) -> dict[str, Any]:
    """What the trainer says of each case: after the step, and at the epoch's end."""
    return dict(zip(CASES, in_trainer(DIVERGED, cases=list(CASES.values())), strict=True))


@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_a_loss_that_is_no_number_ends_the_step(judged: dict[str, Any], loss: str) -> None:
    code, message, details = judged[loss][0]
    assert (code, message) == ("TRAINING_DIVERGED", f"loss is {loss} at epoch 5")
    assert details == {"epoch": 5, "last_finite_epoch": 4, "lr0": 0.01, "optimizer": "auto"}


def test_mixed_precision_may_look_for_its_scale_for_ten_steps(judged: dict[str, Any]) -> None:
    assert judged["few steps"][0] is None
    assert judged["more steps"][0][0] == "TRAINING_DIVERGED"


def test_the_optimizer_is_told_only_where_the_framework_chose_it(judged: dict[str, Any]) -> None:
    assert "optimizer" not in judged["more steps"][0][2]


def test_losses_of_exactly_0_end_a_training_that_learns_nothing_and_no_other(judged: dict[str, Any]) -> None:
    step, epoch = judged["learns nothing"]
    assert (step, epoch[1]) == (None, "every loss is exactly 0 at epoch 5")
    assert judged["has learned all"] == [None, None]


def test_a_fitness_that_is_no_number_ends_the_epoch(judged: dict[str, Any]) -> None:
    assert judged["no fitness"][1][:2] == ["TRAINING_DIVERGED", "the fitness is nan at epoch 5"]
