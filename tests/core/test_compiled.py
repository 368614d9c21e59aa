"""Wrappers with the signature of what they protect: every form of parameters arrives as it was passed."""

import asyncio
import functools
import gc
import inspect
import linecache
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from app.core.circuit_breaker import CircuitBreaker
from app.core.compiled import is_async, wrapper


class Recorder:
    """A protection that writes down what it is given."""

    def __init__(self, *, open_: bool = False) -> None:
        self.window: Any = None if open_ else []
        self.holder: Any = self
        self.seen: list[Any] = []

    def guarded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.seen.append(("guarded", args, kwargs))
        return "guarded"

    def failed(self, ticket: Any, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.seen.append(("failed", type(error), args, kwargs))
        return "failed"


def none() -> Any:
    return ()


def plain(a: Any, b: Any = 2) -> Any:
    return a, b


def positional(a: Any, /, b: Any) -> Any:
    return a, b


def all_positional(a: Any, b: Any = 2, /) -> Any:
    return a, b


def keywords(*, k: Any, m: Any = 4) -> Any:
    return k, m


def starred(a: Any, *rest: Any, k: Any = 1, **more: Any) -> Any:
    return a, rest, k, more


def everything(a: Any, /, b: Any = 2, *rest: Any, k: Any, m: Any = 5, **more: Any) -> Any:
    return a, b, rest, k, m, more


def generic(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (none, (), {}),
    (plain, (1,), {}),
    (plain, (1, 3), {}),
    (plain, (), {"b": 1, "a": 2}),
    (positional, (1, 2), {}),
    (positional, (1,), {"b": 3}),
    (all_positional, (1,), {}),
    (all_positional, (1, 5), {}),
    (keywords, (), {"k": 1}),
    (keywords, (), {"m": 1, "k": 2}),
    (starred, (1,), {}),
    (starred, (1, 2, 3), {"k": 4, "z": 5}),
    (everything, (1,), {"k": 2}),
    (everything, (1, 2, 3, 4), {"k": 5, "m": 6, "n": 7}),
    (generic, (1, 2), {"x": 3}),
    (functools.partial(plain, b=9), (1,), {}),
    (functools.partial(plain, 1), (), {}),
    (max, (1, 5), {}),
    (int, ("12",), {"base": 16}),
    (dict, (), {"a": 1}),
    (len, ("abc",), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_a_call_arrives_as_it_was_made_in_every_way_through_the_wrapper(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    expected = function(*args, **kwargs)
    passing = Recorder()
    assert wrapper(function, passing)(*args, **kwargs) == expected
    assert passing.window == [True]
    asking = Recorder(open_=True)
    assert wrapper(function, asking)(*args, **kwargs) == "guarded"
    _, given_args, given_kwargs = asking.seen[0]
    assert function(*given_args, **given_kwargs) == expected


def test_a_call_that_raises_arrives_with_its_error_and_arguments() -> None:
    def breaks(a: int, *, k: int = 2) -> None:
        raise KeyError(a)

    protection = Recorder()
    assert wrapper(breaks, protection)(1) == "failed"
    assert protection.seen == [("failed", KeyError, (1,), {"k": 2})]
    assert protection.window == []


@pytest.mark.parametrize("function", [none, plain, positional, all_positional, keywords, starred, everything])
def test_a_wrong_call_is_refused_as_the_function_itself_would(function: Callable[..., Any]) -> None:
    protected = wrapper(function, Recorder())
    assert inspect.signature(protected) == inspect.signature(function)
    own = inspect.signature(protected, follow_wrapped=False).parameters
    assert [(p.name, p.kind) for p in own.values()] == [
        (p.name, p.kind) for p in inspect.signature(function).parameters.values()
    ]
    if function not in (starred, everything):
        with pytest.raises(TypeError):
            protected(1, 2, 3, nonsense=4)
    assert all(
        d.default is p.default for d, p in zip(own.values(), inspect.signature(function).parameters.values(), strict=True)
    )


KINDS = [
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
]


@st.composite
def functions(draw: st.DrawFn) -> tuple[Callable[..., Any], tuple[int, ...], dict[str, int]]:
    """A function of any signature that gives back all it got, and a call that fits it."""
    counts = [
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
        draw(st.integers(0, 1)),
        draw(st.integers(0, 2)),
        draw(st.integers(0, 1)),
    ]
    parts, names, args, kwargs, optional = [], [], [], {}, False
    for kind, count in zip(KINDS, counts, strict=True):
        if kind is inspect.Parameter.KEYWORD_ONLY and count and not counts[2]:
            parts.append("*")
        for index in range(count):
            name = f"p{kind.value}{index}"
            names.append(name)
            stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(kind, "")
            positional_ = kind in KINDS[:2]
            default = not stars and (draw(st.booleans()) or (positional_ and optional))
            optional = optional or (positional_ and default)
            parts.append(stars + name + ("=7" if default else ""))
            value = draw(st.integers(0, 99))
            if positional_ and (not default or (len(args) == len(names) - 1 and draw(st.booleans()))):
                args.append(value)
            elif kind is inspect.Parameter.KEYWORD_ONLY and (not default or draw(st.booleans())):
                kwargs[name] = value
            elif kind is inspect.Parameter.VAR_KEYWORD:
                kwargs["extra"] = value
            elif kind is inspect.Parameter.VAR_POSITIONAL and len(args) == counts[0] + counts[1]:
                args.append(value)
        if kind is inspect.Parameter.POSITIONAL_ONLY and count:
            parts.append("/")
    namespace: dict[str, Any] = {}
    exec(f"def made({', '.join(parts)}):\n    return ({''.join(name + ', ' for name in names)})", namespace)
    return namespace["made"], tuple(args), kwargs


@seed(20261125)
@settings(max_examples=300, deadline=None, database=None)
@given(case=functions())
def test_any_signature_is_written_down_again_faithfully(
    case: tuple[Callable[..., Any], tuple[int, ...], dict[str, int]],
) -> None:
    function, args, kwargs = case
    expected = function(*args, **kwargs)
    assert wrapper(function, Recorder())(*args, **kwargs) == expected
    asking = Recorder(open_=True)
    wrapper(function, asking)(*args, **kwargs)
    assert function(*asking.seen[0][1], **asking.seen[0][2]) == expected


def test_odd_signatures_get_a_generic_wrapper() -> None:
    def claims(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    claims.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
    assert wrapper(claims, Recorder())(1, nonsense=2) == ((1,), {"nonsense": 2})

    def clashes(__window__: int, __result__: int = 0) -> tuple[int, int]:
        return __window__, __result__

    assert wrapper(clashes, Recorder())(1, __result__=2) == (1, 2)

    class Keyworded:
        """As a C function may call a positional parameter."""

        def __call__(self, *args: int) -> tuple[int, ...]:
            return args

    Keyworded.__call__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("self", KINDS[0]), inspect.Parameter("from", KINDS[0])]
    )
    assert wrapper(Keyworded(), Recorder())(3) == (3,)
    assert wrapper(getattr, Recorder())("a", "upper")() == "A"
    assert wrapper(dict.fromkeys, Recorder())("a") == {"a": None}


def test_defaults_stay_the_same_objects() -> None:
    sentinel = object()

    def takes(value: object = sentinel, *, other: object = sentinel) -> tuple[object, object]:
        return value, other

    assert wrapper(takes, Recorder())() == (sentinel, sentinel)


def test_generators_and_wrapped_methods_are_refused_with_a_word() -> None:
    def generator() -> Any:
        yield 1

    async def agenerator() -> Any:
        yield 1

    for function in (generator, agenerator):
        with pytest.raises(TypeError, match="is a generator; protect the calls that it makes"):
            wrapper(function, Recorder())
    for method in (staticmethod(none), classmethod(none)):
        with pytest.raises(TypeError, match=f"put this decorator below @{type(method).__name__}"):
            wrapper(method, Recorder())  # type: ignore[arg-type]


class AsyncService:
    async def __call__(self, value: int) -> int:
        await asyncio.sleep(0)
        return value


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (none, False),
        (AsyncService(), True),
        (AsyncService, False),
        (functools.partial(asyncio.sleep, 0), True),
        (asyncio.sleep, True),
        (len, False),
    ],
)
def test_what_has_to_be_awaited_is_known(function: Callable[..., Any], expected: bool) -> None:
    assert is_async(function) is expected


async def test_an_object_with_an_async_call_is_awaited() -> None:
    protection = Recorder()
    assert await wrapper(AsyncService(), protection)(5) == 5
    assert protection.window == [True]


def test_a_traceback_shows_the_wrappers_lines_while_the_wrapper_lives() -> None:
    protected = CircuitBreaker()(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        protected()
    text = "".join(traceback.format_exception(caught.value))
    assert "__function__()" in text
    (filename,) = {
        frame.filename for frame in traceback.extract_tb(caught.value.__traceback__) if "<protected" in frame.filename
    }
    assert filename in linecache.cache
    del protected, caught
    gc.collect()
    assert filename not in linecache.cache


def test_the_protection_can_be_found_from_outside() -> None:
    protection = Recorder()
    assert wrapper(plain, protection).__protection__ is protection  # type: ignore[attr-defined]
    assert wrapper(plain, protection).__wrapped__ is plain  # type: ignore[attr-defined]
