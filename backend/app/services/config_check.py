"""What is wrong with a training configuration, all of it, before anything is stored or started. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError

from app.core.errors import FieldError, PlatformError
from app.core.fixes import fixes_for, nearest
from app.schemas.training import TrainingConfig

Descriptor = Mapping[str, Any]


def model_of(descriptor: Descriptor, name: str) -> dict[str, Any] | None:
    """The framework's entry of the model `name`, None where it has no such model."""
    return next((model for model in descriptor["models"] if model["name"] == name), None)


def _framework_error(config: TrainingConfig, known: Iterable[str]) -> PlatformError:
    names = sorted(known)
    message = f"no trainer called `{config.framework}`; there are: {', '.join(names)}"
    details = {"details": message, "field": "framework", "value": config.framework}
    return PlatformError.from_code(
        "INVALID_CONFIG",
        details,
        errors=[FieldError("#/framework", "unknown_framework", message)],
        fixes=fixes_for("INVALID_CONFIG", {**details, "known": names}),
    )


def _model_error(config: TrainingConfig, descriptor: Descriptor) -> PlatformError:
    close = nearest(config.model, (model["name"] for model in descriptor["models"]))
    hint = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
    details = {"model": config.model, "framework": config.framework, "suggestions": close}
    return PlatformError.from_code(
        "INVALID_MODEL",
        details,
        errors=[FieldError("#/model", "unknown_model", f"{config.framework} has no model `{config.model}`{hint}")],
        fixes=fixes_for("INVALID_MODEL", details),
    )


def _setting_error(problem: SchemaError, descriptor: Descriptor) -> list[FieldError]:
    if problem.validator != "additionalProperties":
        pointer = "#/settings" + "".join(f"/{part}" for part in problem.absolute_path)
        return [FieldError(pointer, str(problem.validator), problem.message)]
    known = descriptor["settings_schema"].get("properties", {})
    found = []
    for name in sorted(set(problem.instance) - set(known)):
        close = nearest(name, known, 1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        found.append(FieldError(f"#/settings/{name}", "unknown_setting", f"unknown setting `{name}`{hint}"))
    return found


def settings_errors(config: TrainingConfig, descriptor: Descriptor) -> list[FieldError]:
    """Every wrong entry of `settings`, by the framework's own schema."""
    validator = Draft202012Validator(descriptor["settings_schema"])
    problems = sorted(validator.iter_errors(config.settings), key=lambda problem: list(map(str, problem.absolute_path)))
    return [error for problem in problems for error in _setting_error(problem, descriptor)]


def check_config(config: TrainingConfig, known: Mapping[str, Descriptor]) -> list[PlatformError]:
    """Everything wrong with `config` that can be told from it and from what the agents offer (`known`, by framework).

    With no framework known yet (no agent was ever seen) nothing can be said, and the trainer will judge.
    """
    if not known:
        return []
    descriptor = known.get(config.framework)
    if descriptor is None:
        return [_framework_error(config, known)]
    errors: list[PlatformError] = []
    if config.weights_id is None and model_of(descriptor, config.model) is None:
        errors.append(_model_error(config, descriptor))
    if config.weights_id is not None and not descriptor.get("accepts_weights", True):
        message = f"{config.framework} cannot start from weights"
        field = FieldError("#/weights_id", "weights", message)
        errors.append(PlatformError.from_code("INVALID_CONFIG", {"details": message}, errors=[field]))
    wrong = settings_errors(config, descriptor)
    if wrong:
        details = wrong[0].message if len(wrong) == 1 else f"{len(wrong)} settings are wrong"
        errors.append(PlatformError.from_code("INVALID_CONFIG", {"details": details}, errors=wrong))
    return errors


def effective_config(config: TrainingConfig, known: Mapping[str, Descriptor]) -> tuple[dict[str, Any], str | None]:
    """The configuration with the framework's values filled in where the user left them open, and the model's task."""
    values = config.model_dump(mode="json")
    descriptor = known.get(config.framework)
    model = model_of(descriptor, config.model) if descriptor else None
    if descriptor is None or model is None:
        return values, None
    defaults = descriptor.get("defaults", {}).get(model["task"], {})
    if values["image_size"] is None:
        values["image_size"] = defaults.get("image_size")
    return values, model["task"]


def task_error(
    config: Mapping[str, Any], task: str | None, dataset_task: str | None, known: Mapping[str, Descriptor]
) -> PlatformError | None:
    """MODEL_DATA_MISMATCH where the model's task is not the data set's, with the sister models that would fit."""
    if task is None or dataset_task is None or task == dataset_task:
        return None
    descriptor = known.get(str(config["framework"]), {"models": []})
    fitting = [model["name"] for model in descriptor["models"] if model["task"] == dataset_task]
    close = nearest(str(config["model"]), fitting)
    details = {"model": config["model"], "model_task": task, "dataset_task": dataset_task, "suggestions": close}
    return PlatformError.from_code(
        "MODEL_DATA_MISMATCH",
        details,
        errors=[FieldError("#/model", "task", f"`{config['model']}` is for {task}, the data set is for {dataset_task}")],
        fixes=fixes_for("MODEL_DATA_MISMATCH", details),
    )
