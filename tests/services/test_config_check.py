"""What is wrong with a configuration is told at once, with what was meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schemas.training import TrainingConfig
from app.services.config_check import check_config, effective_config, model_of, settings_errors, task_error
from tests.conftest import DESCRIPTOR

KNOWN: dict[str, dict[str, Any]] = {
    "ultralytics": DESCRIPTOR,
    "sklearn": {**DESCRIPTOR, "framework": "sklearn", "accepts_weights": False},
}
VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers()))


def config(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**{"model": "yolo11n", "dataset_id": "d", **changes})


def test_a_right_configuration_has_no_errors() -> None:
    assert check_config(config(settings={"fliplr": 0.5}), KNOWN) == []


def test_without_any_agent_the_trainer_will_judge() -> None:
    assert check_config(config(model="anything", framework="unknown"), {}) == []


def test_everything_wrong_is_told_at_once() -> None:
    errors = check_config(config(model="yolo12n", settings={"flipr": 1, "fliplr": 2, "zzz": 0}), KNOWN)
    assert [error.code for error in errors] == ["INVALID_MODEL", "INVALID_CONFIG"]
    assert {field.pointer for error in errors for field in error.errors} == {
        "#/model", "#/settings/flipr", "#/settings/fliplr", "#/settings/zzz",
    }  # fmt: skip
    told = {field.pointer: field.message for error in errors for field in error.errors}
    assert "did you mean `fliplr`" in told["#/settings/flipr"]
    assert "did you mean" not in told["#/settings/zzz"]


def test_an_unknown_framework_is_told_with_the_known_ones() -> None:
    (error,) = check_config(config(framework="ultralitics"), KNOWN)
    assert error.code == "INVALID_CONFIG"
    assert "sklearn, ultralytics" in error.errors[0].message
    assert {"op": "add", "path": "/framework", "value": "ultralytics"} in [step for fix in error.fixes for step in fix.patch]


def test_an_unknown_model_is_offered_the_nearest_ones() -> None:
    (error,) = check_config(config(model="YOLO11-cls"), KNOWN)
    values = [step["value"] for fix in error.fixes for step in fix.patch]
    assert values[0] == "yolo11n-cls"


def test_uploaded_weights_decide_the_model_where_the_framework_takes_them() -> None:
    assert check_config(config(model="of-weights", weights_id="w"), KNOWN) == []
    (error,) = check_config(config(framework="sklearn", weights_id="w"), KNOWN)
    assert (error.code, error.errors[0].pointer) == ("INVALID_CONFIG", "#/weights_id")


@given(st.dictionaries(st.text(max_size=8), VALUES))
def test_any_settings_are_judged_without_failing(settings: dict[str, Any]) -> None:
    wrong = settings_errors(config(settings=settings), DESCRIPTOR)
    assert {field.pointer.removeprefix("#/settings/") for field in wrong} >= set(settings) - {"fliplr"}


def test_open_values_are_the_frameworks() -> None:
    values, task = effective_config(config(), KNOWN)
    assert (values["image_size"], task) == (640, "detect")
    assert effective_config(config(image_size=320), KNOWN)[0]["image_size"] == 320
    assert effective_config(config(model="other"), KNOWN)[1] is None
    assert effective_config(config(framework="none"), KNOWN)[1] is None


@pytest.mark.parametrize(("task", "data"), [("detect", "detect"), (None, "detect"), ("detect", None)])
def test_a_task_that_fits_or_is_not_known_is_no_error(task: str | None, data: str | None) -> None:
    assert task_error(config().model_dump(), task, data, KNOWN) is None


def test_a_model_for_another_task_is_told_with_its_sister() -> None:
    error = task_error(config().model_dump(), "detect", "classify", KNOWN)
    assert error is not None
    assert error.code == "MODEL_DATA_MISMATCH"
    assert [step["value"] for fix in error.fixes for step in fix.patch] == ["yolo11n-cls"]


def test_a_model_is_found_by_its_name_only() -> None:
    assert model_of(DESCRIPTOR, "yolo11n-cls") == DESCRIPTOR["models"][1]
    assert model_of(DESCRIPTOR, "YOLO11n") is None
