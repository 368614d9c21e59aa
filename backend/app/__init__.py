"""The backend of the Vision AI Training Platform: REST, WebSocket, orchestration, error handling."""

from typing import Any


def __getattr__(name: str) -> Any:
    """``__version__``, looked up when somebody asks: the command line starts without it."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("vtp")
