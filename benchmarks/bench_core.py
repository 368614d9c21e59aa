"""What protecting a call costs: ratios to a bare call of the same round, beside other libraries.

    python benchmarks/bench_core.py          the table, in about half a minute
    python benchmarks/bench_core.py --tiny   a few calls of everything, to see that it runs

Goals: retry and breaker on the success path at most ×7 (async ×3.5), a breaker alone below ×11.4 (×5.2), at most 1.1
backend calls a logical call in an outage, at most 150 ns to judge an exception of a known type.
"""

import argparse
import asyncio
import contextlib
import inspect
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from core_peers import Make, Peer, peers

from app.core import classify, errors, logging

ROOT = Path(__file__).resolve().parents[1]

ROUND_SECONDS = 0.012
ROUNDS = 5
OUTAGE_CALLS = 1000
Quiet = type[BaseException] | None


def bare(value: int) -> int:
    """What is protected."""
    return value


async def abare(value: int) -> int:
    """The same, async."""
    return value


class Flaky:
    """Fails at every other call, with one exception object."""

    def __init__(self) -> None:
        self.odd = False
        self.error = ConnectionResetError("peer")

    def call(self, value: int) -> int:
        """Fails, succeeds, fails, …"""
        self.odd = not self.odd
        if self.odd:
            raise self.error
        return value

    async def acall(self, value: int) -> int:
        """The same, async."""
        return self.call(value)


def seconds_of(function: Callable[..., Any], number: int, quiet: Quiet = None) -> float:
    """CPU seconds that `number` calls take, so that other processes do not count; with `quiet`, of calls that raise."""
    started = time.process_time()
    if quiet is None:
        for _ in range(number):
            function(1)
    else:
        for _ in range(number):
            with contextlib.suppress(quiet):
                function(1)
    return time.process_time() - started


async def aseconds_of(function: Callable[..., Awaitable[Any]], number: int, quiet: Quiet = None) -> float:
    """The same for an async function."""
    started = time.process_time()
    if quiet is None:
        for _ in range(number):
            await function(1)
    else:
        for _ in range(number):
            with contextlib.suppress(quiet):
                await function(1)
    return time.process_time() - started


def timed(function: Callable[..., Any], number: int, quiet: Quiet = None) -> float:
    """Seconds a call, sync or async."""
    if inspect.iscoroutinefunction(function):
        return asyncio.run(aseconds_of(function, number, quiet)) / number
    return seconds_of(function, number, quiet) / number


def ratio(
    function: Callable[..., Any],
    base: Callable[..., Any],
    *,
    tiny: bool,
    quiet: Quiet = None,
    by: int = 1,
) -> float:
    """How many times the bare call one call costs: the best of some rounds, in turns; to `by` bare calls."""
    if tiny:
        return timed(function, 3, quiet) / timed(base, 3) / by
    number = max(20, int(ROUND_SECONDS / max(timed(function, 20, quiet), 1e-7)))
    rounds = [(timed(function, number, quiet), timed(base, number)) for _ in range(ROUNDS)]
    return min(mine for mine, _ in rounds) / min(plain for _, plain in rounds) / by


def success(make: Make | None, *, sync: bool, able: bool, tiny: bool) -> float | None:
    """The price of a call that succeeds at once."""
    if make is None or not able:
        return None
    base = bare if sync else abare
    return ratio(make()(base), base, tiny=tiny)


def after_failure(make: Make | None, *, sync: bool, able: bool, tiny: bool) -> float | None:
    """The price of a call that fails once and succeeds at the second try without a wait, to two bare calls."""
    if make is None or not able:
        return None
    flaky = Flaky()
    function = make()(flaky.call if sync else flaky.acall)
    return ratio(function, bare if sync else abare, tiny=tiny, by=2)


def rejection(make: Make | None, *, sync: bool, able: bool, tiny: bool) -> float | None:
    """The price of a call that an open breaker refuses."""
    if make is None or not able:
        return None

    def down(_value: int) -> int:
        raise ConnectionResetError("peer")

    async def adown(_value: int) -> int:
        raise ConnectionResetError("peer")

    function = make()(down if sync else adown)
    timed(function, 10, Exception)
    return ratio(function, bare if sync else abare, tiny=tiny, quiet=Exception)


def outage(make: Make | None, *, tiny: bool) -> float | None:
    """Backend calls a logical call while everything fails, without a breaker's help."""
    if make is None:
        return None
    calls = 0

    def down(_value: int) -> int:
        nonlocal calls
        calls += 1
        raise ConnectionResetError("peer")

    number = 20 if tiny else OUTAGE_CALLS
    timed(make()(down), number, Exception)
    return calls / number


def our_outage(*, tiny: bool) -> float:
    """The same for us, with the retry budget as it is by default."""
    from app.core.policies import Policy
    from app.core.retry import retrying

    calls = outage(lambda: retrying(Policy(f"outage-{time.monotonic_ns()}", 3, 0, 0, None)), tiny=tiny)
    assert calls is not None
    return calls


def verdicts(*, tiny: bool) -> list[tuple[str, float]]:
    """Nanoseconds to judge exceptions: by type alone, and by what they carry."""
    import httpx2

    request = httpx2.Request("GET", "http://service.test")
    answer = httpx2.Response(503, headers={"Retry-After": "3"}, request=request)
    samples = {
        "builtins.ConnectionResetError, by type": ConnectionResetError(104, "reset"),
        "httpx2.ReadTimeout, by type": httpx2.ReadTimeout("late"),
        "builtins.KeyError, by type": KeyError("k"),
        "the platform's NetworkError": errors.NetworkError("trainer", OSError()),
        "OSError, by errno": OSError(28, "No space left on device"),
        "httpx2.HTTPStatusError, by status and Retry-After": httpx2.HTTPStatusError("503", request=request, response=answer),
    }
    number = 3 if tiny else 20_000
    told = []
    for name, error in samples.items():
        judge = classify.classify
        judge(error)
        best = min(seconds_of(lambda _, error=error, judge=judge: judge(error), number) for _ in range(ROUNDS))
        empty = min(seconds_of(lambda _, error=error: error, number) for _ in range(ROUNDS))
        told.append((name, max(0.0, best - empty) / number * 1e9))
    return told


COLUMNS = ("retry", "async", "breaker", "async", "both", "async", "1 fail", "async", "rejected", "async", "outage")


def row(peer: Peer, *, tiny: bool) -> list[float | None]:
    """One library's figures, in the order of `COLUMNS`."""
    both = peer.both()
    figures: list[float | None] = []
    for make, able_sync, able_async in (
        (peer.retry, True, peer.retry_async),
        (peer.breaker, peer.breaker_sync, peer.breaker_async),
        (both, True, peer.retry_async and peer.breaker_async),
    ):
        figures.append(success(make, sync=True, able=able_sync, tiny=tiny))
        figures.append(success(make, sync=False, able=able_async, tiny=tiny))
    figures.append(after_failure(peer.retry, sync=True, able=True, tiny=tiny))
    figures.append(after_failure(peer.retry, sync=False, able=peer.retry_async, tiny=tiny))
    figures.append(rejection(peer.breaker, sync=True, able=peer.breaker_sync, tiny=tiny))
    figures.append(rejection(peer.breaker, sync=False, able=peer.breaker_async, tiny=tiny))
    figures.append(our_outage(tiny=tiny) if peer.name == "vtp" else outage(peer.retry, tiny=tiny))
    return figures


def shown(figure: float | None, *, times: bool = True) -> str:
    """A figure as the table shows it."""
    if figure is None:
        return "–"
    return f"{'×' if times else ''}{figure:.0f}" if figure >= 100 else f"{'×' if times else ''}{figure:.2f}"


def probes() -> str:
    """How many of the twelve behaviour probes our breaker and retry pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "-rA",
        "-p",
        "no:cacheprovider",
        "tests/core/test_probes.py",
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    lines = run.stdout.splitlines()
    number = {line.split("test_probe_")[1][:2] for line in lines if line.startswith("PASSED") and "test_probe_" in line}
    failed = {line.split("test_probe_")[1][:2] for line in lines if line.startswith("FAILED") and "test_probe_" in line}
    return f"{len(number - failed)} of 12"


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; the exit status tells of crashes only, never of a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a few calls of everything, to see that it runs")
    tiny: bool = parser.parse_args(arguments).tiny
    logging.configure(level="CRITICAL")
    started = time.perf_counter()
    found, absent = peers()
    print("Ratios to a bare call of the same round: ours first, – where a library has no such thing.")
    print("'1 fail': to two bare calls, no wait. 'outage': backend calls a logical call, no breaker. Logs are off.\n")
    print(f"{'':26}" + "".join(f"{column:>10}" for column in COLUMNS))
    for peer in found:
        figures = row(peer, tiny=tiny)
        cells = [shown(figure) for figure in figures[:-1]] + [shown(figures[-1], times=False)]
        print(f"{peer.name:26}" + "".join(f"{cell:>10}" for cell in cells))
    print("\nTo judge an exception (goal: 150 ns on a known type):")
    for name, nanoseconds in verdicts(tiny=tiny):
        print(f"  {name:52}{nanoseconds:8.0f} ns")
    if not tiny:
        print(f"\nBehaviour probes passed by ours: {probes()}")
    if absent:
        print(f"\nNot installed: {', '.join(absent)}")
    print(f"\n{time.perf_counter() - started:.0f} s, CPython {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
