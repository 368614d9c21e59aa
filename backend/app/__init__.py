"""The backend of the Vision AI Training Platform: REST, WebSocket, orchestration, error handling."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`__version__`, looked up when it is asked for: reading the package's metadata takes longer than most commands."""
    if name != "__version__":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib.metadata import version

    return version("vtp")
