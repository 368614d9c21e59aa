"""The reference pages that are made from the code: command line, REST interface, configuration, exit codes, events."""

import ast
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
MADE = "Made by `make generate`; what it tells comes from the code itself."


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _code(text: object) -> str:
    return f"`{text}`"


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _parameters(command: Any) -> str:
    rows = []
    for param in command.params:
        if param.name in ("help", "install_completion", "show_completion"):
            continue
        argument = param.param_type_name == "argument"
        name = param.metavar or param.name.upper() if argument else ", ".join(param.opts)
        plain = isinstance(param.default, str | int | float) and param.default is not False
        default = str(param.default) if plain else ""
        needed = "needed" if param.required else default
        rows.append((_code(name), needed, _sentence(getattr(param, "help", ""))))
    return _table(("argument or option", "default", "meaning"), rows) if rows else ""


def _commands(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children or (command.invoke_without_command and " " in path):
        yield f"## {path}\n\n{_sentence(command.help)}\n\n{_parameters(command)}"
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def cli() -> str:
    """Every command of ``vtp`` with its options."""
    from app.cli.app import EPILOG
    from app.cli.app import cli as app

    root = typer.main.get_command(app)
    head = (
        f"# Command line\n\n{MADE}\n\nResults go to stdout, everything else to stderr. The options of all commands may "
        f"stand anywhere before `--`.\n\n{EPILOG} More: [exit codes](exit-codes.md).\n\n"
    )
    return head + _parameters(root) + "\n" + "\n".join(_commands(root, "vtp"))


def _operations(paths: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for path, methods in paths.items():
        for method, operation in methods.items():
            good = [status for status in operation["responses"] if status.startswith("2")]
            text = _sentence(operation.get("description") or operation.get("summary")).split("Raises:")[0].strip()
            rows.append((f"`{method.upper()} {path}`", ", ".join(good), text))
    return rows


def described() -> dict[str, Any]:
    """The interface's own description."""
    import tempfile

    from app.config import Settings
    from app.main import create_app

    with tempfile.TemporaryDirectory() as folder:
        return dict(create_app(Settings(home=Path(folder), token="none", agent_secret="none")).openapi())


def api() -> str:
    """Every path of the REST interface."""
    return (
        f"# REST interface\n\n{MADE} The whole of it, with every field and an example of each error, is served at "
        "`/api/v1/openapi.json` and readable at `/api/docs`.\n\n"
        'Send `Authorization: Bearer TOKEN`. Every failure is `{"error": {…}}` with `code`, `message`, `suggested_action`, '
        "`params`, `errors` (one for each wrong field), `fixes` and `trace_id`; `Accept: application/problem+json` gives "
        "the same inside an RFC 9457 problem. The codes: [failure codes](../errors/index.md). Live events: "
        "[events](events.md).\n\n" + _table(("request", "answers", "what it does"), _operations(described()["paths"]))
    )


_LIMITS = {
    "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "maxLength": "length ≤",
    "pattern": "matches",
}  # fmt: skip


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return found


def _bounds(schema: dict[str, Any]) -> str:
    found = []
    for part in _alternatives(schema):
        found += [f"{sign} {_code(part[key])}" for key, sign in _LIMITS.items() if key in part]
    return ", ".join(found)


def _type(schema: dict[str, Any]) -> str:
    """A JSON type in words."""
    names = []
    for part in _alternatives(schema):
        if "$ref" in part:
            names.append(part["$ref"].rpartition("/")[2])
        elif "enum" in part:
            names += [_code(value) for value in part["enum"]]
        elif part.get("type") == "array":
            names.append(f"list of {_type(part.get('items', {})) or 'anything'}")
        elif part.get("format") == "date-time":
            names.append("time")
        else:
            names.append(part.get("type", "anything"))
    return " or ".join(names)


def _default(schema: dict[str, Any]) -> str:
    return _code(json.dumps(schema["default"])) if "default" in schema else ""


def _fields(model: type[BaseModel]) -> str:
    whole = model.model_json_schema()
    needed = whole.get("required", [])
    rows = [
        (
            _code(name),
            _type(schema),
            "needed" if name in needed else _default(schema),
            _bounds(schema),
            _sentence(schema.get("description")),
        )
        for name, schema in whole["properties"].items()
    ]
    return _table(("field", "type", "default", "limits", "meaning"), rows)


def _said_of(path: Path, class_name: str) -> dict[str, str]:
    """The strings that stand below the attributes of a class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    found = {}
    for before, after in itertools.pairwise(body):
        if not isinstance(before, ast.AnnAssign) or not isinstance(before.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            found[before.target.id] = _sentence(after.value.value)
    return found


def _settings() -> str:
    from app.config import Settings

    said = _said_of(ROOT / "backend" / "app" / "config.py", "Settings")
    schemas = Settings.model_json_schema(by_alias=False)["properties"]
    rows = []
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"VTP_{name.upper()}"
        default = "`~/.vtp`" if name == "home" else _default(schemas[name])
        rows.append((_code(variable), _type(schemas[name]), default, _bounds(schemas[name]), said.get(name, "")))
    return _table(("variable", "type", "default", "limits", "meaning"), rows)


def _agent_options() -> str:
    from trainers.agent.options import parser

    known = [one for one in parser()._actions if one.dest != "help"]  # noqa: SLF001 - argparse has no public way to list them
    rows = [(_code(one.option_strings[-1]), "needed" if one.required else "", one.help or "") for one in known]
    return _table(("option", "", "meaning"), rows)


def _agent_variables() -> str:
    from trainers.agent.settings import VARIABLES, AgentSettings

    usual = AgentSettings()
    rows = [
        ("`VTP_HEARTBEAT_SECONDS`", f"{usual.heartbeat:g}", "between two reports to the backend"),
        ("`VTP_GRACE_SECONDS`", f"{usual.grace:g}", "between asking a training to stop and killing it"),
        ("`VTP_HANG_WARM_UP_SECONDS`", f"{usual.hang.warm_up:g}", "without a step allowed before the first steps"),
        ("`VTP_HANG_FIRST_SECONDS`", f"{usual.hang.first:g}", "the same in the first epoch"),
        ("`VTP_HANG_LEAST_SECONDS`", f"{usual.hang.least:g}", "the same afterwards, whatever was learned from the run"),
    ]
    rest = [(_code(name), meaning) for name, meaning in VARIABLES.items()]
    return _table(("variable", "default", "seconds"), rows) + "\n" + _table(("variable", "meaning"), rest)


def config() -> str:
    """What can be set: of a training, of the backend, of an agent."""
    from app.schemas.training import TrainingConfig

    return (
        f"# Configuration\n\n{MADE}\n\n## A training\n\nThe body of `POST /api/v1/training-jobs`; unknown fields are "
        "refused. What a framework takes under `settings` is in `GET /api/v1/frameworks`.\n\n"
        f"{_fields(TrainingConfig)}\n## The backend\n\nVariables of its environment.\n\n{_settings()}\n"
        f"## An agent\n\nOptions of `vtp-agent`.\n\n{_agent_options()}\nIts environment.\n\n{_agent_variables()}"
    )


def exit_codes() -> str:
    """Exit codes of the command line and of training processes."""
    from app.cli import output
    from trainers.harness import failure

    command = [
        ("0", "done"),
        (str(output.EXIT_BUG), "a bug; the traceback is in `vtp-debug.log` of the installation's folder"),
        ("2", "wrong use of the command"),
        (str(output.EXIT_USER), "failed for good, or by the user's hand: repeating the same does not help"),
        (str(output.EXIT_TRANSIENT), "failed for now: repeating is safe and may help"),
        (str(output.EXIT_PERMISSION), f"not allowed: {', '.join(f'`{code}`' for code in sorted(output.PERMISSION))}"),
        ("130", "Ctrl-C; a job that was watched goes on"),
    ]
    kinds = {
        failure.EXIT_DONE: "done",
        failure.EXIT_USER: "the user's or the data's",
        failure.EXIT_PERMANENT: "permanent",
        failure.EXIT_TRANSIENT: "transient",
        failure.EXIT_SYSTEM: "the system's, or unknown",
        failure.EXIT_CANCELLED: "cancelled",
        failure.EXIT_PREEMPTED: "the machine is taken away; a checkpoint was written",
    }
    codes = {
        number: ", ".join(f"`{code}`" for code, exit_code in failure.EXIT_BY_CODE.items() if exit_code == number)
        for number in kinds
    }
    training = [(str(number), kind, codes[number]) for number, kind in kinds.items()]
    return (
        f"# Exit codes\n\n{MADE}\n\n## The command line\n\n{_table(('code', 'meaning'), command)}\n"
        "## A training process\n\nWhat `trainers/<framework>/train.py` ends with. Codes over 128 and signals are read by "
        f"evidence: [exit 137](exit-137.md).\n\n{_table(('code', 'meaning', 'named by the trainer'), training)}"
    )


def _states(table: dict[str, frozenset[str]]) -> str:
    rows = [(_code(state), ", ".join(map(_code, sorted(following))) or "final") for state, following in table.items()]
    return _table(("state", "may become"), rows)


def events() -> str:
    """What agents tell, what watchers get, and the states behind it."""
    from app.db.states import ATTEMPT_STATES, JOB_STATES
    from app.schemas import wire

    head = (
        f"# Events\n\n{MADE}\n\n## To a watcher\n\n`WS /ws/training-jobs/{{id}}?since=SEQ` sends every event of a job "
        "after `SEQ`, then what comes. Each message is a JSON object with `type`, `seq`, `at` and `attempt`; numbers have "
        "no gaps, so connecting again with the last one seen loses nothing. `ready` marks the end of what had been.\n\n"
    )
    kinds = [
        ("`state`", "`status`, and `reason`, `retry_at`, `code` or `result` where they apply"),
        ("`progress`", "the fields of progress below, or `phase`"),
        ("`log`", "the fields of a piece of log below"),
        ("`artifact`", "the fields of a file below"),
        ("`error`", "`fatal` (the job has ended) and `error`, the public error object"),
        ("`ready`", "`seq` only"),
    ]
    shapes = [
        ("Progress", wire.Progress),
        ("Piece of log", wire.LogPiece),
        ("File", wire.ArtifactNote),
        ("Error", wire.TrainerError),
        ("Result", wire.Result),
    ]
    parts = "".join(f"### {name}\n\n{_sentence(model.__doc__)}\n\n{_fields(model)}\n" for name, model in shapes)
    return (
        f"{head}{_table(('type', 'further fields'), kinds)}\n## From an agent\n\n"
        "`POST /api/v1/training-jobs/{id}/callback` takes one update or a list, in order, with the attempt's own token. A "
        "number that was seen is taken as stored; a gap is answered with 409 and `expected_seq`. The same as JSON Schema: "
        "[callback](schemas/callback.json), [evidence](schemas/evidence.json), [error.json](schemas/error.json).\n\n"
        f"{_fields(wire.TrainingUpdate)}\n{parts}## States of a job\n\n{_states(JOB_STATES)}\n"
        f"## States of an attempt\n\n{_states(ATTEMPT_STATES)}"
    )


def tables() -> Iterator[tuple[str, str]]:
    """Every page of this kind: its name and its text."""
    for name, make in (("cli", cli), ("api", api), ("config", config), ("exit-codes", exit_codes), ("events", events)):
        yield name, make().rstrip("\n") + "\n"
