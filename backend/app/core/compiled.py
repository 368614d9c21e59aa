"""Wrappers with the exact signature of the function they protect, compiled once, as dataclasses make their `__init__`.

A wrapper that takes ``*args, **kwargs`` costs five times a bare call before it has done anything; one with the function's
own parameters costs twice. See docs/decisions/0002-compiled-resilience-wrapper.md.

What a wrapper does is all in `_BODY`: a call that may pass (``window`` is there, no deadline) and succeeds leaves one mark
in the window. Everything else is a method of its `Protection`, entered only when needed.
"""

import functools
import inspect
import itertools
import keyword
import linecache
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from app.core.timing import deadline_of_context

_BODY = """\
{async_}def {name}({parameters}):
    __window__ = __holder__.window
    if __window__ is None or __deadline__() is not None:
        return {await_}__guarded__({positional}, {keywords})
    try:
        __result__ = {await_}__function__({call})
    except BaseException as __error__:
        return {await_}__failed__(__window__, __error__, {positional}, {keywords})
    __window__.append(True)
    return __result__
"""
_numbers = itertools.count()
_POSITIONAL, _STAR = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL
_KEYWORD, _DOUBLE_STAR = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD
_MARKS: dict[Any, str] = {_STAR: "*", _DOUBLE_STAR: "**"}


class Holder(Protocol):
    """Whatever keeps the outcomes of recent calls; None: calls need leave."""

    window: "deque[bool | None] | None"


class Protection(Protocol):
    """What a wrapper does when a call may not simply pass, and when it failed. Methods are async for async functions."""

    @property
    def holder(self) -> Holder:
        """Where the outcomes of the calls are kept."""

    def guarded(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Carries out a call that needs leave, or has a deadline."""

    def failed(self, ticket: Any, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Takes a first attempt that raised; its result is the call's."""


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of `function` has to be awaited; also for an object whose ``__call__`` is async."""
    own = None if isinstance(function, type) else getattr(function, "__call__", None)  # noqa: B004 - it is looked into
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(own)


def wrapper(function: Callable[..., Any], protection: Protection) -> Callable[..., Any]:
    """A function like `function`, each call of which goes through `protection`.

    Raises:
        TypeError: `function` is a generator: its body runs after the call, where nothing could protect it; or it is a
            static or class method, below whose decorator this one belongs.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        message = f"{function!r} is a generator; protect the calls that it makes"
        raise TypeError(message)
    if isinstance(function, staticmethod | classmethod):
        message = f"put this decorator below @{type(function).__name__}"
        raise TypeError(message)
    asynchronous = is_async(function)
    parameters, defaults = _parameters(function)
    source = _BODY.format(
        async_="async " if asynchronous else "",
        await_="await " if asynchronous else "",
        name="protected",
        parameters=_declared(parameters),
        call=_passed(parameters),
        positional=_tuple(parameters),
        keywords=_dict(parameters),
    )
    namespace: dict[str, Any] = {
        "__holder__": protection.holder,
        "__deadline__": deadline_of_context,
        "__function__": function,
        "__guarded__": protection.guarded,
        "__failed__": protection.failed,
        **defaults,
    }
    filename = f"<protected {getattr(function, '__qualname__', 'call')} {next(_numbers)}>"
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - made of the parameters' names alone
    protected: Any = functools.wraps(function)(namespace["protected"])
    protected.__protection__ = protection
    # The text is findable, so that tracebacks and debuggers show the wrapper's lines, as long as the wrapper lives.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    weakref.finalize(protected, linecache.cache.pop, filename, None)
    result: Callable[..., Any] = protected
    return result


def _parameters(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """The parameters, each default replaced by a name, and what these names stand for."""
    found = _signature(function)
    defaults = {f"__default_{i}__": p.default for i, p in enumerate(found) if p.default is not p.empty}
    named = [
        p.replace(default=p.empty if p.default is p.empty else f"__default_{i}__", annotation=p.empty)
        for i, p in enumerate(found)
    ]
    return named, defaults


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The function's own parameters; ``*args, **kwargs`` where they are not told, or could not be written down again."""
    generic = [inspect.Parameter("args", _STAR), inspect.Parameter("kwargs", _DOUBLE_STAR)]
    if hasattr(function, "__signature__"):
        # Somebody's claim of how to call it; how it passes arguments on is not known.
        return generic
    try:
        found = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):
        # Some builtins do not tell theirs.
        return generic
    odd = any(keyword.iskeyword(p.name) or (p.name.startswith("__") and p.name.endswith("__")) for p in found)
    return generic if odd else found


def _declared(parameters: list[inspect.Parameter]) -> str:
    """The parameters as a definition lists them."""
    parts = []
    kinds = [parameter.kind for parameter in parameters]
    for index, parameter in enumerate(parameters):
        before = kinds[:index]
        if parameter.kind is not _POSITIONAL and before and before[-1] is _POSITIONAL:
            parts.append("/")
        if parameter.kind is _KEYWORD and not {_STAR, _KEYWORD} & set(before):
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default}"
        parts.append(_MARKS.get(parameter.kind, "") + parameter.name + default)
    if kinds and kinds[-1] is _POSITIONAL:
        parts.append("/")
    return ", ".join(parts)


def _passed(parameters: list[inspect.Parameter]) -> str:
    """The same parameters as a call passes them on."""
    return ", ".join(f"{p.name}={p.name}" if p.kind is _KEYWORD else _MARKS.get(p.kind, "") + p.name for p in parameters)


def _tuple(parameters: list[inspect.Parameter]) -> str:
    """An expression for the positional arguments."""
    positional = [p for p in parameters if p.kind not in (_KEYWORD, _DOUBLE_STAR)]
    return "(" + "".join(f"{_MARKS.get(p.kind, '')}{p.name}, " for p in positional) + ")"


def _dict(parameters: list[inspect.Parameter]) -> str:
    """An expression for the keyword arguments."""
    named = "".join(f"'{p.name}': {p.name}, " for p in parameters if p.kind is _KEYWORD)
    return "{" + named + "".join(f"**{p.name}" for p in parameters if p.kind is _DOUBLE_STAR) + "}"
