"""The twelve things that breakers and retries get wrong elsewhere, each as a test of ours."""

import asyncio
import threading
import time
import traceback
from collections.abc import Callable

import pytest

from app.core import timing
from app.core.circuit_breaker import CircuitBreaker, Permit
from app.core.errors import CircuitOpenError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.policies import Policy
from app.core.retry import protect, retrying

ONCE = Policy("probes-once", 1, 0, 0, None)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking() -> Clock:
    return Clock()


def breaker(clock: Callable[[], float] | None, **more: object) -> CircuitBreaker:
    return CircuitBreaker(failure_threshold=2, recovery_timeout=10, clock=clock, **more)


def fail() -> None:
    raise ConnectionResetError("peer")


def trip(subject: CircuitBreaker) -> None:
    while subject.state == "CLOSED":
        with pytest.raises(ConnectionResetError):
            subject.call(fail)


async def test_probe_01_exactly_one_of_50_waiting_tasks_is_let_in(ticking: Clock) -> None:
    subject = breaker(ticking)
    trip(subject)
    ticking.now += 10
    release = asyncio.Event()

    @subject
    async def call() -> str:
        await release.wait()
        return "in"

    tasks = [asyncio.create_task(call()) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    release.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes.count("in") == 1
    assert sum(isinstance(outcome, CircuitOpenError) for outcome in outcomes) == 49
    assert subject.state == "CLOSED"


def test_probe_01_exactly_one_of_20_threads_is_let_in(ticking: Clock) -> None:
    subject = breaker(ticking)
    trip(subject)
    ticking.now += 10
    start, inside = threading.Barrier(20), threading.Event()
    let_in: list[int] = []
    refused: list[int] = []

    def work(number: int) -> None:
        def call() -> None:
            let_in.append(number)
            assert inside.wait(20)

        start.wait(20)
        try:
            subject.call(call)
        except CircuitOpenError:
            refused.append(number)
            if len(refused) == 19:
                inside.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(let_in), len(refused)) == (1, 19)


def test_probe_02_a_late_success_of_an_older_generation_does_not_close_it(ticking: Clock) -> None:
    subject = breaker(ticking)
    early = subject.acquire()
    trip(subject)
    subject.settle(early)
    assert subject.state == "OPEN"
    ticking.now += 10
    subject.acquire()
    subject.settle(early)
    assert subject.state == "HALF_OPEN"


def test_probe_03_a_late_failure_does_not_prolong_it(ticking: Clock) -> None:
    subject = breaker(ticking)
    early = [subject.acquire() for _ in range(5)]
    trip(subject)
    ticking.now += 9
    for ticket in early:
        subject.settle(ticket, ConnectionResetError())
    assert subject.retry_after == 1
    ticking.now += 1
    assert subject.call(lambda: "in") == "in"
    for ticket in early:
        subject.settle(ticket, ConnectionResetError())
    assert (subject.state, subject.failure_count) == ("CLOSED", 0)


async def test_probe_04_a_cancelled_probe_does_not_wedge_it(ticking: Clock) -> None:
    subject = breaker(ticking)
    trip(subject)
    ticking.now += 10
    hang = asyncio.Event()
    probe = asyncio.create_task(subject(hang.wait)())
    await asyncio.sleep(0)
    assert subject.state == "HALF_OPEN"
    assert subject.retry_after == 10
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert subject.retry_after == 0
    assert subject.call(lambda: "in") == "in"
    assert subject.state == "CLOSED"


def test_probe_04_a_hung_probes_lease_lapses(ticking: Clock) -> None:
    subject = breaker(ticking)
    trip(subject)
    ticking.now += 10
    hung = subject.acquire()
    ticking.now += 9.99
    assert subject.try_acquire() is None
    ticking.now += 0.01
    next_probe = subject.acquire()
    subject.settle(hung, ConnectionResetError())
    assert subject.state == "HALF_OPEN"
    subject.settle(next_probe)
    assert subject.state == "CLOSED"


async def test_probe_05_cancelling_a_call_does_not_reset_the_count(ticking: Clock) -> None:
    subject = breaker(ticking)
    with pytest.raises(ConnectionResetError):
        subject.call(fail)
    for wrap in (subject, lambda function: lambda: subject.call(function), protect(ONCE, breaker=subject)):
        task = asyncio.create_task(wrap(asyncio.Event().wait)())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert subject.failure_count == 1


def test_probe_06_the_trip_itself_does_not_mask_the_original_error(ticking: Clock) -> None:
    def watch(*_: object) -> None:
        raise RuntimeError("the observer is broken")

    subject = breaker(ticking, on_change=watch)
    protected = protect(Policy("probes-six", 3, 0, 0, None), breaker=subject)(fail)
    with timing.testing(), pytest.raises(ConnectionResetError, match="peer") as caught:
        protected()
    assert subject.state == "OPEN"
    assert "breaker open" in caught.value.__notes__[0]


def test_probe_07_a_rejections_traceback_does_not_grow(ticking: Clock) -> None:
    subject = breaker(ticking)
    trip(subject)
    guarded = subject(fail)
    for call in (lambda: subject.call(fail), guarded):
        lengths = set()
        seen = set()
        for _ in range(1000):
            with pytest.raises(CircuitOpenError) as caught:
                call()
            lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
            seen.add(id(caught.value.context))
            assert caught.value.__context__ is None
        assert len(lengths) == 1


def test_probe_08_a_rejection_tells_the_remaining_time(ticking: Clock) -> None:
    subject = breaker(ticking, name="trainer")
    trip(subject)
    ticking.now += 4
    with pytest.raises(CircuitOpenError) as caught:
        subject.call(fail)
    assert caught.value.retry_after == 6
    assert "trainer" in str(caught.value)


@pytest.mark.parametrize("way", ["decorator", "call", "protect"])
def test_probe_09_eight_threads_run_their_calls_in_parallel(way: str) -> None:
    subject, eight = breaker(None), threading.Barrier(8)
    done: list[int] = []
    ways: dict[str, Callable[[], int]] = {
        "decorator": subject(lambda: eight.wait(20)),
        "call": lambda: subject.call(eight.wait, 20),
        "protect": protect(ONCE)(lambda: eight.wait(20)),
    }
    threads = [threading.Thread(target=lambda: done.append(ways[way]())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == list(range(8))


def test_probe_10_the_wall_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    with timing.testing() as clock:
        subject = breaker(None)
        trip(subject)
        for seconds in (-1e6, 1e6):
            with monkeypatch.context() as changed:
                changed.setattr(time, "time", lambda seconds=seconds: seconds)
                assert subject.retry_after == 10
                assert subject.try_acquire() is None
        clock.advance(10)
        assert isinstance(subject.try_acquire(), Permit)
    assert timing.REAL.monotonic() <= time.monotonic()


async def test_probe_11_an_async_function_is_counted_by_its_outcome_not_its_coroutine(ticking: Clock) -> None:
    async def afail() -> None:
        raise ConnectionResetError("peer")

    class Service:
        async def __call__(self) -> None:
            raise ConnectionResetError("peer")

    for wrap in (lambda b: b(afail), lambda b: lambda: b.call(afail), lambda b: protect(ONCE, breaker=b)(afail),
                 lambda b: b(Service()), lambda b: protect(ONCE, breaker=b)(Service())):  # fmt: skip
        subject = breaker(ticking)
        for expected in (1, 2):
            with pytest.raises(ConnectionResetError):
                await wrap(subject)()
            assert subject.failure_count == expected
        assert subject.state == "OPEN"


async def test_probe_12_a_total_time_limit_cuts_a_hung_attempt() -> None:
    cancelled = []
    subject = CircuitBreaker(1, 60)

    @protect(Policy("probes-twelve", 5, 0, 0, None), breaker=subject)
    async def hung() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    started = time.monotonic()
    with pytest.raises(OperationTimeout, match=r"hung timed out after 0\.0"), timing.deadline(0.05):
        await hung()
    assert 0.045 <= time.monotonic() - started < 2
    assert cancelled == [True]
    assert subject.state == "OPEN"


def test_probe_12_no_attempt_is_started_without_time_for_it() -> None:
    tries = []

    @retrying(Policy("probes-late", 5, 4, 8, None))
    def slow() -> None:
        tries.append(timing.current().monotonic())
        timing.current().advance(3)
        raise ConnectionResetError("peer")

    with timing.testing() as clock:
        with pytest.raises(ConnectionResetError) as caught, timing.deadline(12):
            slow()
        assert len(tries) == 2
        assert max(tries) < 1012
        assert clock.waits[0] < 9
        assert "(deadline)" in caught.value.__notes__[0]
