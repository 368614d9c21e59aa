"""Looking at other libraries' exceptions without being hurt by them."""

from typing import Any


def attribute(error: object, name: str) -> Any:
    """An attribute, None where it is missing or cannot be read: some libraries' properties raise."""
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - a property of a foreign exception may raise anything
        return None


def told_by(error: object, name: str) -> Any:
    """What a method without arguments returns; None where there is none of that name, or it raises."""
    method = attribute(error, name)
    if not callable(method):
        return None
    try:
        return method()
    except Exception:  # noqa: BLE001 - a method of that name need not be the one that is meant
        return None


def said(error: BaseException) -> str:
    """The text of an exception; of one that cannot tell it, the name of its class."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a foreign exception's own method may raise anything
        return type(error).__name__
