"""The breaker's states, what counts for them, and a long random life beside a simple model."""

import asyncio
import functools
import random
import threading
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core import timing
from app.core.circuit_breaker import CircuitBreaker, Permit
from app.core.errors import CircuitOpenError, NetworkError, ResourceNotFoundError, ServiceUnavailableError, ValidationError

DOWN = ConnectionResetError("peer")


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking() -> Clock:
    return Clock()


def raiser(error: BaseException) -> Any:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


def told(subject: CircuitBreaker, *errors: BaseException | None) -> None:
    """Tells the breaker of calls that ended so."""
    for error in errors:
        subject.settle(subject.acquire(), error)


def test_the_documents_constructor_and_defaults() -> None:
    subject = CircuitBreaker()
    assert (subject.failure_threshold, subject.recovery_timeout, subject.expected_exception) == (5, 60, Exception)
    assert (subject.state, subject.failure_count, subject.retry_after, subject.isolated) == ("CLOSED", 0, 0, False)
    assert (subject.probes, subject.successes, subject.longest_recovery) == (1, 1, None)
    assert (subject.failure_rate, subject.minimum_calls) == (None, 20)
    usage = CircuitBreaker(failure_threshold=5, recovery_timeout=60, expected_exception=ServiceUnavailableError)
    assert usage.call(lambda a, b=2: a + b, 1, b=4) == 5


def test_it_opens_at_the_threshold_and_not_before(ticking: Clock) -> None:
    subject = CircuitBreaker(3, 60, clock=ticking)
    told(subject, DOWN, DOWN)
    assert (subject.state, subject.failure_count) == ("CLOSED", 2)
    told(subject, DOWN)
    assert (subject.state, subject.failure_count, subject.retry_after) == ("OPEN", 3, 60)


def test_a_success_starts_the_count_anew(ticking: Clock) -> None:
    subject = CircuitBreaker(3, 60, clock=ticking)
    told(subject, DOWN, DOWN, None, DOWN, DOWN)
    assert (subject.state, subject.failure_count) == ("CLOSED", 2)


def test_a_success_through_call_is_counted_too(ticking: Clock) -> None:
    subject = CircuitBreaker(2, 60, clock=ticking)
    told(subject, DOWN)
    assert subject.call(lambda: 1) == 1
    assert list(subject.window or ()) == [False, True]
    assert subject.failure_count == 0


def test_changes_are_logged_with_what_led_to_them(ticking: Clock) -> None:
    subject = CircuitBreaker(2, 60, name="logged", clock=ticking)
    with capture_logs() as lines:
        told(subject, DOWN, DOWN)
        subject.reset()
    told_ = [{key: line[key] for key in ("breaker", "state", "before", "failures")} for line in lines]
    assert told_ == [
        {"breaker": "logged", "state": "OPEN", "before": "CLOSED", "failures": 2},
        {"breaker": "logged", "state": "CLOSED", "before": "OPEN", "failures": 0},
    ]


def test_a_rejected_call_does_not_run(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    told(subject, DOWN)
    ran: list[int] = []
    for call in (lambda: subject.call(ran.append, 1), lambda: subject(ran.append)(1)):
        with pytest.raises(CircuitOpenError, match="append is not available now"):
            call()
    assert ran == []
    assert subject.try_acquire() is None


def test_a_rejection_without_any_name_still_says_something(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    told(subject, DOWN)
    with pytest.raises(CircuitOpenError, match="service is not available now"):
        subject.call(functools.partial(print))
    with pytest.raises(CircuitOpenError, match="service is not available now"):
        subject(functools.partial(print))()


def test_a_good_probe_closes_it_and_a_bad_one_opens_it_for_a_full_time(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    told(subject, DOWN)
    ticking.now += 60
    told(subject, DOWN)
    assert (subject.state, subject.failure_count, subject.retry_after) == ("OPEN", 2, 60)
    ticking.now += 59.999
    assert subject.try_acquire() is None
    ticking.now += 0.001
    told(subject, None)
    assert (subject.state, subject.failure_count) == ("CLOSED", 0)


def test_a_neutral_probe_gives_its_permit_back_and_decides_nothing(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    told(subject, DOWN)
    ticking.now += 60
    told(subject, ValidationError("a", "b", 1))
    assert (subject.state, subject.retry_after) == ("HALF_OPEN", 0)
    told(subject, None)
    assert subject.state == "CLOSED"


def test_as_many_probes_pass_as_it_is_told_and_as_many_successes_close_it(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking, probes=2, successes=3)
    told(subject, DOWN)
    ticking.now += 60
    first = subject.acquire()
    assert subject.retry_after == 0
    ticking.now += 1
    second = subject.acquire()
    assert subject.try_acquire() is None
    assert subject.retry_after == 59
    subject.settle(first)
    subject.settle(second)
    subject.settle(second)
    assert subject.state == "HALF_OPEN"
    told(subject, None)
    assert subject.state == "CLOSED"


def test_successes_of_an_earlier_round_of_probes_do_not_count(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking, successes=2)
    told(subject, DOWN)
    ticking.now += 60
    told(subject, None, DOWN)
    ticking.now += 60
    told(subject, None)
    assert subject.state == "HALF_OPEN"


def test_the_other_probes_of_a_failed_round_decide_nothing(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking, probes=2)
    told(subject, DOWN)
    ticking.now += 60
    good, bad = subject.acquire(), subject.acquire()
    subject.settle(bad, DOWN)
    subject.settle(good)
    assert subject.state == "OPEN"


def test_the_time_it_stays_open_doubles_by_failed_rounds_up_to_the_longest_with_a_little_chance(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 10, clock=ticking, longest_recovery=300)
    told(subject, DOWN)
    waits = []
    for _ in range(40):
        waits.append(subject.retry_after)
        ticking.now += waits[-1] + 1e-6
        told(subject, DOWN)
    assert waits[0] == 10
    for wait, grown in zip(waits[1:], [20, 40, 80, 160, *[300] * 35], strict=True):
        assert grown <= wait + 1e-3
        assert wait <= grown * 1.1 + 1e-3
    assert len({round(wait, 6) for wait in waits[6:]}) > 30
    ticking.now += 400
    told(subject, None, DOWN)
    assert subject.retry_after == 10


def test_a_longest_time_below_the_usual_one_does_not_shorten_it(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 10, clock=ticking, longest_recovery=3)
    told(subject, DOWN)
    ticking.now += 10
    told(subject, DOWN)
    assert 10 <= subject.retry_after <= 11


def test_a_share_of_failures_opens_it_once_there_are_calls_enough(ticking: Clock) -> None:
    subject = CircuitBreaker(100, 60, clock=ticking, failure_rate=0.5, minimum_calls=10)
    told(subject, DOWN, None, DOWN, DOWN, None, DOWN, None, DOWN, DOWN)
    assert subject.state == "CLOSED"
    told(subject, DOWN)
    assert subject.state == "OPEN"
    steady = CircuitBreaker(100, 60, clock=ticking, failure_rate=0.5, minimum_calls=10)
    told(steady, *[None, DOWN, None] * 50)
    assert steady.state == "CLOSED"


def test_a_threshold_above_the_windows_size_is_reached_all_the_same(ticking: Clock) -> None:
    subject = CircuitBreaker(300, 60, clock=ticking)
    told(subject, *[DOWN] * 299)
    assert subject.state == "CLOSED"
    told(subject, DOWN)
    assert subject.state == "OPEN"


@pytest.mark.parametrize(
    ("error", "count"),
    [
        (DOWN, 2),
        (NetworkError("x", OSError()), 2),
        (KeyError("bug"), 2),
        (ValidationError("a", "b", 1), 1),
        (CircuitOpenError("inner", 3), 1),
        (asyncio.CancelledError(), 1),
        (KeyboardInterrupt(), 1),
        (ResourceNotFoundError("a", "b"), 1),
        (FileNotFoundError(2, "x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_by_default_an_exceptions_own_verdict_decides_whether_it_counts(error: BaseException, count: int) -> None:
    subject = CircuitBreaker(5)
    told(subject, DOWN, error)
    assert subject.failure_count == count


def test_an_answer_such_as_not_found_shows_that_the_other_side_lives() -> None:
    import httpx2

    request = httpx2.Request("GET", "http://service.test")
    missing = httpx2.HTTPStatusError("404", request=request, response=httpx2.Response(404, request=request))
    subject = CircuitBreaker(5)
    told(subject, DOWN, missing)
    assert subject.failure_count == 0


def test_with_a_narrower_exception_exactly_its_instances_count() -> None:
    subject = CircuitBreaker(2, 60, expected_exception=(ServiceUnavailableError, KeyError))
    told(subject, DOWN, DOWN, ServiceUnavailableError("x"))
    assert subject.failure_count == 1
    told(subject, CircuitOpenError("nested", 1))
    assert (subject.state, subject.failure_count) == ("CLOSED", 1)
    told(subject, KeyError("k"))
    assert subject.state == "OPEN"


def test_a_refusal_names_the_dependency_and_no_address(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, name="trainer http://10.0.0.7:9000", clock=ticking)
    told(subject, DOWN)
    with pytest.raises(CircuitOpenError) as caught:
        subject.acquire("call")
    assert caught.value.params == {"service": "trainer", "retry_after": 60}
    assert "10.0.0.7" not in str(caught.value.to_dict())


def test_isolating_refuses_all_calls_until_reset(ticking: Clock) -> None:
    subject = CircuitBreaker(2, 60, clock=ticking)
    told(subject, DOWN)
    subject.isolate()
    assert (subject.state, subject.isolated, subject.failure_count) == ("OPEN", True, 1)
    ticking.now += 1e9
    with pytest.raises(CircuitOpenError) as caught:
        subject.call(print)
    assert caught.value.retry_after is None
    assert subject.describe()["retry_after"] is None
    subject.reset()
    assert (subject.state, subject.isolated, subject.failure_count) == ("CLOSED", False, 0)
    assert subject.call(lambda: 1) == 1


def test_calls_that_began_before_a_reset_count_for_nothing(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    old = subject.acquire()
    subject.reset()
    subject.settle(old, DOWN)
    assert (subject.state, subject.failure_count) == ("CLOSED", 0)


@pytest.mark.parametrize("end", [None, DOWN])
def test_a_probe_that_ends_after_a_change_by_hand_decides_nothing(ticking: Clock, end: BaseException | None) -> None:
    subject = CircuitBreaker(2, 60, clock=ticking)
    told(subject, DOWN, DOWN)
    ticking.now += 60
    probe = subject.acquire()
    subject.reset()
    told(subject, DOWN)
    subject.settle(probe, end)
    assert (subject.state, subject.failure_count) == ("CLOSED", 1)
    told(subject, DOWN)
    ticking.now += 60
    probe = subject.acquire()
    subject.isolate()
    subject.settle(probe, end)
    assert subject.isolated


def test_it_describes_itself(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, name="trainer a", clock=ticking)
    told(subject, DOWN)
    ticking.now += 1.5
    assert subject.describe() == {
        "name": "trainer a",
        "state": "OPEN",
        "failure_count": 1,
        "failure_threshold": 1,
        "retry_after": 58.5,
        "isolated": False,
    }


def _metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_each_change_is_told_once_in_order_counted_and_shown_on_a_gauge(ticking: Clock) -> None:
    seen: list[str] = []
    changes = "platform_breaker_changes_total"
    subject = CircuitBreaker(1, 60, name="watched one", clock=ticking, on_change=lambda _, state: seen.append(state))
    before = {state: _metric(changes, dependency="watched", state=state) for state in ("OPEN", "HALF_OPEN", "CLOSED")}
    told(subject, DOWN)
    subject.isolate()
    assert _metric("platform_breaker_state", dependency="watched", state="OPEN") == 1
    subject.reset()
    subject.reset()
    told(subject, DOWN)
    ticking.now += 60
    told(subject, None)
    assert seen == ["OPEN", "CLOSED", "OPEN", "HALF_OPEN", "CLOSED"]
    after = {state: _metric(changes, dependency="watched", state=state) for state in before}
    assert {state: after[state] - before[state] for state in before} == {"OPEN": 2, "HALF_OPEN": 1, "CLOSED": 2}
    assert _metric("platform_breaker_state", dependency="watched", state="CLOSED") == 1


def test_an_observers_mistake_is_counted_and_does_no_harm() -> None:
    before = _metric("platform_errors_contained_total", component="breaker observer")
    subject = CircuitBreaker(1, on_change=raiser(ValueError("observer")))
    with pytest.raises(ConnectionResetError):
        subject.call(raiser(DOWN))
    assert subject.state == "OPEN"
    assert _metric("platform_errors_contained_total", component="breaker observer") == before + 1


async def test_an_async_call_is_settled_when_it_ends(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)

    async def answer(value: int) -> int:
        await asyncio.sleep(0)
        return value

    pending = subject.call(answer, 3)
    assert list(subject.window or ()) == []
    assert await pending == 3
    assert list(subject.window or ()) == [True]
    assert await subject(answer)(4) == 4
    told(subject, DOWN)
    ticking.now += 60
    assert await subject(answer)(5) == 5
    assert subject.state == "CLOSED"
    told(subject, DOWN)
    ticking.now += 60
    assert subject.call(lambda: 6) == 6
    assert subject.state == "CLOSED"


@pytest.mark.parametrize("state", ["CLOSED", "HALF_OPEN"])
async def test_a_decorated_call_that_fails_raises_its_own_exception_in_any_state(ticking: Clock, state: str) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)

    async def afail() -> None:
        raise DOWN

    for call in (subject(raiser(DOWN)), subject(afail)):
        subject.reset()
        if state == "HALF_OPEN":
            told(subject, DOWN)
            ticking.now += 60
        with pytest.raises(ConnectionResetError) as caught:
            await call()
        assert caught.value is DOWN
        assert subject.state == "OPEN"
    assert subject.failure_count == (2 if state == "HALF_OPEN" else 1)
    ticking.now += 60
    assert subject(lambda: 1)() == 1
    assert subject.state == "CLOSED"


def test_a_thread_that_finds_it_open_and_then_closed_passes(ticking: Clock) -> None:
    subject = CircuitBreaker(1, 60, clock=ticking)
    told(subject, DOWN)
    ticking.now += 60
    passed: list[object] = []
    with subject._lock:
        thread = threading.Thread(target=lambda: passed.append(subject.try_acquire()))
        thread.start()
        subject.reset()
    thread.join(20)
    assert passed == [subject.window]


def test_a_call_that_finds_the_time_over_but_the_breaker_opened_anew_is_refused() -> None:
    subject = CircuitBreaker(1, 60, clock=lambda: 100)
    told(subject, DOWN)
    looks = iter([False, True])

    def second_look() -> float:
        if next(looks, False):
            subject.isolate()
        return 160

    subject._clock = second_look
    assert subject.try_acquire() is None
    assert subject.isolated


def test_time_is_the_contexts_where_no_clock_is_given() -> None:
    with timing.testing() as clock:
        subject = CircuitBreaker(1, 60)
        told(subject, DOWN)
        clock.advance(60)
        assert isinstance(subject.acquire(), Permit)


def test_threads_that_fail_together_open_it_once() -> None:
    seen: list[str] = []
    subject = CircuitBreaker(5, 60, on_change=lambda _, state: seen.append(state))
    start = threading.Barrier(16)

    def work() -> None:
        start.wait(20)
        for _ in range(50):
            try:
                subject.call(raiser(DOWN))
            except (ConnectionResetError, CircuitOpenError):
                continue

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == ["OPEN"]


class Model:
    """The breaker as a book would describe it: counters, a generation, permits; slow and plain."""

    def __init__(self, threshold: int, recovery: float, probes: int, successes: int) -> None:
        self.threshold, self.recovery, self.probes, self.successes = threshold, recovery, probes, successes
        self.state, self.row, self.until, self.generation, self.good = "CLOSED", 0, 0.0, 0, 0
        self.permits: dict[int, float] = {}

    def acquire(self, now: float, number: int) -> tuple[str, int] | None:
        if self.state == "CLOSED":
            return "call", self.generation
        if self.state == "OPEN":
            if now < self.until:
                return None
            self.state, self.permits, self.good = "HALF_OPEN", {}, 0
        self.permits = {n: lapse for n, lapse in self.permits.items() if lapse > now}
        if len(self.permits) >= self.probes:
            return None
        self.permits[number] = now + self.recovery
        return "probe", number

    def settle(self, now: float, ticket: tuple[str, int], outcome: str) -> None:
        kind, number = ticket
        if kind == "call":
            if self.state != "CLOSED" or number != self.generation or outcome == "neutral":
                return
            self.row = 0 if outcome == "success" else self.row + 1
            if self.row >= self.threshold:
                self.state, self.until = "OPEN", now + self.recovery
        elif self.permits.pop(number, None) is not None:
            if outcome == "failure":
                self.state, self.until, self.row, self.permits = "OPEN", now + self.recovery, self.row + 1, {}
            elif outcome == "success":
                self.good += 1
                if self.good >= self.successes:
                    self.reset()

    def isolate(self) -> None:
        self.state, self.until, self.permits = "OPEN", float("inf"), {}

    def reset(self) -> None:
        self.state, self.row, self.permits, self.generation = "CLOSED", 0, {}, self.generation + 1


STEPS = st.one_of(
    st.just(("begin", 0)),
    st.tuples(st.just("end ok"), st.integers(0, 5)),
    st.tuples(st.just("end failed"), st.integers(0, 5)),
    st.tuples(st.just("end neutral"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3, 9.5, 10])),
    st.sampled_from([("isolate", 0), ("reset", 0)]),
)
ERRORS = {"end ok": None, "end failed": DOWN, "end neutral": asyncio.CancelledError()}
OUTCOMES = {"end ok": "success", "end failed": "failure", "end neutral": "neutral"}


@seed(20261125)
@settings(max_examples=400, deadline=None, database=None)
@given(
    steps=st.lists(STEPS, max_size=60),
    threshold=st.integers(1, 4),
    probes=st.integers(1, 3),
    successes=st.integers(1, 3),
)
def test_its_life_is_that_of_a_simple_model(steps: list[Any], threshold: int, probes: int, successes: int) -> None:
    clock = Clock()
    subject = CircuitBreaker(threshold, 10, clock=clock, probes=probes, successes=successes)
    model = Model(threshold, 10, probes, successes)
    under_way: list[tuple[Any, tuple[str, int]]] = []
    for number, (step, value) in enumerate(steps):
        if step == "begin":
            ticket, expected = subject.try_acquire(), model.acquire(clock.now, number)
            assert (ticket is None) == (expected is None)
            if ticket is not None and expected is not None:
                under_way.append((ticket, expected))
        elif step == "wait":
            clock.now += value
        elif step in ("isolate", "reset"):
            getattr(subject, step)()
            getattr(model, step)()
        elif under_way:
            ticket, expected = under_way.pop(value % len(under_way))
            subject.settle(ticket, ERRORS[step])
            model.settle(clock.now, expected, OUTCOMES[step])
        assert (subject.state, subject.failure_count) == (model.state, model.row)
        if subject.state == "OPEN":
            assert subject.retry_after == max(0.0, model.until - clock.now)


def test_a_rate_below_the_threshold_never_opens_it_over_a_long_random_life() -> None:
    rng = random.Random(7)
    subject = CircuitBreaker(1000, 60, failure_rate=0.6, minimum_calls=50)
    told(subject, *[None] * 50)
    for _ in range(5000):
        told(subject, DOWN if rng.random() < 0.3 else None)
    assert subject.state == "CLOSED"


def test_a_gate_that_says_no_lets_no_probe_through_and_is_asked_for_every_probe() -> None:
    now, asked, answers = [0.0], [], iter([False, True, True])
    subject = CircuitBreaker(1, 60, clock=lambda: now[0])
    subject.gate = lambda one: asked.append(one) or next(answers)  # type: ignore[func-returns-value]
    told(subject, DOWN)
    now[0] = 59
    assert subject.try_acquire() is None
    assert asked == []
    now[0] = 60
    assert subject.try_acquire() is None
    assert subject.state == "OPEN"
    permit = subject.try_acquire()
    assert permit is not None
    assert subject.state == "HALF_OPEN"
    assert subject.try_acquire() is None
    assert len(asked) == 2
    now[0] = 121  # the probe hung and lost its leave
    assert subject.try_acquire() is not None
    assert len(asked) == 3


def test_a_breaker_that_is_opened_from_outside_closes_by_its_own_probe() -> None:
    now = [0.0]
    subject = CircuitBreaker(3, 60, clock=lambda: now[0])
    subject.open_for(10)
    assert subject.retry_after == 10
    assert subject.try_acquire() is None
    now[0] = 10
    assert subject.call(lambda: "well") == "well"
    assert subject.state == "CLOSED"
