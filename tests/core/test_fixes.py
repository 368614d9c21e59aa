"""Fixes: what is offered for which facts, and that a configuration takes every one of them."""

from fnmatch import fnmatch
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.error_messages import REGISTRY
from app.core.fixes import _BY_CODE, LIMITS, Fix, fixes_for, nearest
from app.schemas.training import TrainingConfig

CONFIG = {"model": "yolo11n", "dataset_id": "digits", "weights_id": "w-1", "batch_size": 32, "image_size": 640, "workers": 4}


def applied(fix: Fix, **config: Any) -> TrainingConfig:
    """The configuration with the fix's patch, as the API takes it."""
    base = TrainingConfig.model_validate({**CONFIG, **config}).model_dump(mode="json")
    return TrainingConfig.model_validate(jsonpatch.apply_patch(base, [dict(step) for step in fix.patch]))


def offered(code: str, **facts: Any) -> dict[str, Fix]:
    return {fix.id: fix for fix in fixes_for(code, facts)}


def test_gpu_memory_halves_the_batch() -> None:
    fix = offered("CUDA_OOM", batch_size=32)["halve-batch"]
    assert (fix.label, fix.applicability) == ("Batch size 32 → 16", "safe")
    assert applied(fix).batch_size == 16


def test_halving_the_batch_doubles_the_accumulation_where_it_is_known() -> None:
    fix = offered("CUDA_OOM", batch_size=32, accumulate=2)["halve-batch"]
    assert [(step["path"], step["value"]) for step in fix.patch] == [("/batch_size", 16), ("/accumulate", 4)]


def test_a_batch_that_no_configuration_takes_is_left_alone_at_once() -> None:
    assert offered("CUDA_OOM", batch_size=10**18) == {}


def test_a_batch_of_one_cannot_be_halved_and_images_may_be_smaller() -> None:
    found = offered("CUDA_OOM", batch_size=1, image_size=640)
    assert list(found) == ["smaller-images"]
    assert found["smaller-images"].applicability == "review"
    assert applied(found["smaller-images"]).image_size == 480


def test_host_memory_also_offers_fewer_workers() -> None:
    assert list(offered("HOST_OOM", batch_size=8, workers=4)) == ["halve-batch", "fewer-workers"]
    assert applied(offered("HOST_OOM", workers=5)["fewer-workers"]).workers == 2
    assert list(offered("HOST_OOM", workers=None)) == ["no-workers"]
    assert offered("HOST_OOM", workers=0) == {}


def test_full_shared_memory_needs_no_workers_or_an_administrator() -> None:
    found = offered("SHM_EXHAUSTED", workers=4)
    assert applied(found["no-workers"]).workers == 0
    assert found["larger-shm"].applicability == "manual"
    assert found["larger-shm"].patch == ()
    assert list(offered("SHM_EXHAUSTED", workers=0)) == ["larger-shm"]


@pytest.mark.parametrize(("rate", "lower"), [(0.1, 0.01), (None, 0.001), (0.05, 0.005)])
def test_a_diverged_training_goes_on_with_a_tenth_of_the_rate(rate: float | None, lower: float) -> None:
    fix = offered("TRAINING_DIVERGED", lr0=rate)["lower-rate"]
    assert fix.applicability == "review"
    assert applied(fix).lr0 == lower


def test_a_rate_that_cannot_be_right_is_replaced_by_the_default() -> None:
    assert applied(offered("TRAINING_DIVERGED", lr0=10)["default-lr0"]).lr0 == 0.01
    assert offered("TRAINING_DIVERGED", lr0=1e-12) == {}


def test_the_time_limit_is_doubled_up_to_the_longest_allowed() -> None:
    longest = int(LIMITS["/max_duration_s"][1])
    assert applied(offered("TRAINING_TIMEOUT", max_duration_s=60)["double-limit"]).max_duration_s == 120
    assert applied(offered("TRAINING_TIMEOUT", max_duration_s=longest - 1)["double-limit"]).max_duration_s == longest
    assert offered("TRAINING_TIMEOUT", max_duration_s=longest) == {}
    assert offered("TRAINING_TIMEOUT") == {}


def test_a_device_that_is_not_there_is_left_to_the_platform_or_the_cpu() -> None:
    assert applied(offered("CUDA_UNAVAILABLE", device="3")["any-device"]).device == "auto"
    assert applied(offered("CUDA_UNAVAILABLE", device="auto")["cpu"]).device == "cpu"


def test_weights_that_cannot_be_loaded_are_left_out_where_the_user_brought_them() -> None:
    assert applied(offered("CHECKPOINT_INVALID", weights_id="w-1")["no-weights"]).weights_id is None
    assert offered("CHECKPOINT_INVALID") == {}


def test_the_nearest_names_are_offered_the_likest_first() -> None:
    known = ["yolo11n", "yolo11n-cls", "yolo11s", "rtdetr-l"]
    assert list(offered("INVALID_MODEL", model="YOLO11-n", known=known)) == ["use-yolo11n", "use-yolo11s", "use-yolo11n-cls"]
    assert applied(offered("INVALID_MODEL", model="yolo11x", known=known)["use-yolo11n"]).model == "yolo11n"
    assert list(offered("MODEL_DATA_MISMATCH", model="yolo11n", suggestions=["yolo11n-cls"])) == ["use-yolo11n-cls"]
    assert applied(offered("DATASET_NOT_FOUND", dataset_id="digit", known=["digits"])["use-digits"]).dataset_id == "digits"
    assert list(offered("INVALID_CONFIG", field="framework", value="sklern", known=["sklearn"])) == ["use-sklearn"]
    assert nearest("zzz", known) == []


def test_a_value_out_of_its_limits_is_offered_the_limit_it_passed() -> None:
    assert applied(offered("INVALID_CONFIG", field="workers", value=500, min=0, max=128)["bound-workers"]).workers == 128
    low = offered("INVALID_CONFIG", field="batch_size", value=0, min=1)
    assert applied(low["bound-batch-size"]).batch_size == 1
    assert applied(offered("INVALID_CONFIG", field="lr0", value=10, min=0, max=1)["default-lr0"]).lr0 == 0.01
    assert offered("INVALID_CONFIG", field="workers", value=5, min=0, max=128) == {}
    assert offered("INVALID_CONFIG", field="settings/flip", value=5, max=1) == {}
    assert offered("INVALID_CONFIG", field="image_size", value=5, min=7.5) == {}


def test_broken_files_are_left_out_and_images_held_back() -> None:
    seven = offered("DATASET_BROKEN", excludable=7, needs_split=True)
    assert seven["exclude-invalid-files"].label == "Train without these 7 files"
    assert applied(seven["exclude-invalid-files"]).exclude_invalid_files is True
    assert applied(seven["hold-back-validation"]).val_fraction == 0.2
    assert offered("DATASET_BROKEN", excludable=1)["exclude-invalid-files"].label == "Train without this file"
    assert offered("DATASET_INVALID_FORMAT", excludable=0) == {}


def test_a_code_without_a_remedy_offers_none() -> None:
    assert fixes_for("SYSTEM_ERROR", {"batch_size": 32}) == []
    assert fixes_for("NO_SUCH_CODE", {}) == []


@pytest.mark.parametrize("code", REGISTRY)
def test_the_registry_names_the_fixes_of_a_code(code: str) -> None:
    assert bool(REGISTRY[code].fixes) == (code in _BY_CODE)


def test_the_limits_are_those_of_the_configuration() -> None:
    for pointer, bounds in LIMITS.items():
        name = pointer.lstrip("/")
        if name not in TrainingConfig.model_fields:
            assert name == "accumulate"
            continue
        for bound in bounds:
            value = "x" * int(bound) if name in ("model", "dataset_id", "framework") else bound
            TrainingConfig.model_validate({**CONFIG, name: value})
        beyond = "x" * int(bounds[1] + 1) if name in ("model", "dataset_id", "framework") else bounds[1] + 1
        with pytest.raises(ValidationError):
            TrainingConfig.model_validate({**CONFIG, name: beyond})


FACT = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=150), st.lists(st.text(max_size=130))
)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("known", "suggestions", "needs_split", "excludable", "value", "min", "max", "device"), FACT),
        **dict.fromkeys(("batch_size", "accumulate", "image_size", "workers", "lr0", "max_duration_s"), FACT),
        **dict.fromkeys(("model", "dataset_id", "framework", "weights_id"), FACT),
        "field": st.sampled_from([name.lstrip("/") for name in LIMITS] + ["settings/flip", ""]) | FACT,
    },
)


@given(code=st.sampled_from([*_BY_CODE]), facts=FACTS)
def test_whatever_the_facts_a_configuration_takes_every_patch(code: str, facts: dict[str, Any]) -> None:
    for fix in fixes_for(code, facts):
        assert any(fnmatch(fix.id, pattern) for pattern in REGISTRY[code].fixes)
        assert fix.label
        assert fix.label[0].isupper()
        assert (fix.applicability == "manual") == (not fix.patch)
        known = [step for step in fix.patch if step["path"].lstrip("/") in TrainingConfig.model_fields]
        applied(Fix(fix.id, fix.label, fix.applicability, tuple(known)))


@pytest.mark.parametrize(
    ("batch", "smaller", "pieces"),
    [(32, 16, 2), (15, 5, 3), (9, 3, 3), (7, 3, 2), (3, 1, 3), (2, 1, 2), (65_536, 32_768, 2)],
)
def test_a_smaller_batch_makes_up_the_old_one_wherever_it_can_be_divided(batch: int, smaller: int, pieces: int) -> None:
    (fix, *_) = fixes_for("CUDA_OOM", {"batch_size": batch, "accumulate": 1})
    assert [step["value"] for step in fix.patch] == [smaller, pieces]


def test_memory_that_ran_out_in_validation_shrinks_the_validation_batch_alone() -> None:
    facts = {"batch_size": 32, "accumulate": 1, "image_size": 640, "phase": "validating"}
    fix = offered("CUDA_OOM", **facts)["halve-val-batch"]
    assert (applied(fix).val_batch_size, applied(fix).batch_size, fix.label) == (32, 32, "Validation batch 64 → 32")
    assert offered("CUDA_OOM", **facts, val_batch_size=8)["halve-val-batch"].patch[0]["value"] == 4
    assert "halve-val-batch" not in offered("CUDA_OOM", **facts, val_batch_size=1)


def test_full_shared_memory_is_met_by_fewer_workers_then_by_files() -> None:
    found = offered("SHM_EXHAUSTED", workers=8, sharing="file_descriptor")
    assert list(found) == ["fewer-workers", "share-files", "no-workers", "larger-shm"]
    assert applied(found["share-files"]).sharing == "file_system"


def test_a_lower_rate_keeps_the_optimizer_that_the_framework_has_chosen() -> None:
    changed = applied(offered("TRAINING_DIVERGED", lr0=0.01, optimizer="auto")["lower-rate"])
    assert (changed.lr0, changed.settings) == (0.001, {"optimizer": "auto"})
