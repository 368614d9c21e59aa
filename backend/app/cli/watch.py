"""How a training is shown while it runs: a progress display in a terminal, plain lines elsewhere."""

import sys
from typing import Any, Protocol, Self

from app.cli.output import Output


class Watcher(Protocol):
    """Takes the events of a job one by one."""

    def event(self, event: dict[str, Any]) -> None:
        """Shows an event."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def duration(seconds: float | None) -> str:
    """Seconds as ``1:02:03`` or ``2:03``; a dash for none."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figure_text(values: dict[str, Any]) -> str:
    """Losses or metrics on one line."""
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, int | float) else f"{name} {value}" for name, value in values.items()
    )


def state_text(event: dict[str, Any]) -> str:
    """A change of state on one line."""
    status = event["status"]
    if status == "waiting":
        return f"waiting: {event.get('reason', '')}; next attempt at {event.get('retry_at')}"
    reason = event.get("reason")
    return f"{status}: {reason}" if reason else str(status)


class PlainWatcher:
    """One line for each change of state, epoch and error, on stderr."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def event(self, event: dict[str, Any]) -> None:
        """Shows an event."""
        kind = event["type"]
        if kind == "state":
            self.output.note(state_text(event))
        elif kind == "progress" and event.get("epoch_end"):
            figures = figure_text({**event.get("metrics", {}), **event.get("losses", {})})
            self.output.note(f"epoch {event['epoch']}/{event['epochs']}  {figures}  eta {duration(event.get('eta_s'))}")
        elif kind == "error" and not event["fatal"]:
            self.output.note(f"attempt {event['attempt']} failed: {event['error']['message']}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class RichWatcher(PlainWatcher):
    """A bar over all epochs with figures and time left; lines for everything else above it."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self.bar = self.progress.add_task("queued", total=None, figures="")

    def event(self, event: dict[str, Any]) -> None:
        """Shows an event."""
        kind = event["type"]
        if kind == "progress" and event.get("epoch") and not event.get("epoch_end"):
            done = event["epoch"] - 1 + event["step"] / max(event["steps"], 1)
            figures = f"{figure_text(event.get('losses', {}))}  eta {duration(event.get('eta_s'))}"
            label = f"epoch {event['epoch']}/{event['epochs']}"
            self.progress.update(self.bar, description=label, completed=done, total=event["epochs"], figures=figures)
        elif kind == "progress" and event.get("phase"):
            self.progress.update(self.bar, description=event["phase"])
        else:
            super().event(event)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


def make_watcher(output: Output) -> Watcher:
    """The display that fits where the output goes."""
    return RichWatcher(output) if output.fancy else PlainWatcher(output)
