"""The backend of the Vision AI Training Platform: REST, WebSocket, orchestration, error handling."""

from importlib.metadata import version

__version__ = version("vtp")
