"""Decorated functions: tried again within bounds, then the original exception; sync and async by the same decorator."""

import asyncio
import contextlib
import copy
import dataclasses
import gc
import inspect
import pickle
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core import policies, retry, timing
from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import CircuitOpenError, NetworkError, PlatformError, ServiceUnavailableError, ValidationError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.policies import Policy
from app.core.retry import protect, retrying
from app.core.timing import TestTiming

DECORATORS = {
    "default": retry.retry_on_transient_error,
    "trainer": retry.retry_trainer_service,
    "mlflow": retry.retry_mlflow,
    "storage": retry.retry_s3,
    "temporal": retry.retry_temporal,
    "database": retry.retry_database,
    "llm": retry.retry_llm,
}
QUICK = Policy("retry-tests", 3, 0, 0, None)
SLOW = Policy("retry-slow", 3, 2, 10, None)


def down() -> NetworkError:
    return NetworkError("trainer", ConnectionRefusedError())


class Service:
    """Fails so many times, then answers; counts the calls. Every call can be made sync or async."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors: Iterator[BaseException] = iter(errors)
        self.calls = 0

    def call(self, value: int = 1, *, plus: int = 0) -> int:
        self.calls += 1
        error = next(self.errors, None)
        if error is not None:
            raise error
        return value + plus

    async def acall(self, value: int = 1, *, plus: int = 0) -> int:
        await asyncio.sleep(0)
        return self.call(value, plus=plus)


def both(service: Service, decorate: Callable[[Any], Any]) -> list[Callable[..., Any]]:
    """The service's call behind a decorator: the sync one, and the async one run to its end."""
    run = decorate(service.acall)
    return [decorate(service.call), lambda *args, **kwargs: asyncio.run(run(*args, **kwargs))]


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
@pytest.mark.parametrize(("name", "make"), DECORATORS.items())
def test_a_decorator_tries_as_often_and_waits_as_long_as_its_row_says(
    name: str, make: Callable[[], Any], kind: int, no_waiting: TestTiming
) -> None:
    policy = policies.POLICIES.get(name, policies.DEFAULT)
    service = Service(*[down() for _ in range(policy.attempts - 1)])
    assert both(service, make())[kind](2, plus=3) == 5
    assert service.calls == policy.attempts
    assert len(no_waiting.waits) == policy.attempts - 1
    for number, wait in enumerate(no_waiting.waits, start=1):
        assert policy.first_wait <= wait <= min(policy.longest_wait, policy.first_wait * 2**number)


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
@pytest.mark.parametrize("name", [name for name in DECORATORS if name != "mlflow"])
def test_in_the_end_the_original_exception_is_raised_with_the_attempts_noted_on_it(name: str, kind: int) -> None:
    policy = policies.POLICIES.get(name, policies.DEFAULT)
    raised = [down() for _ in range(9)]
    service = Service(*raised)
    with pytest.raises(NetworkError) as caught:
        both(service, DECORATORS[name]())[kind]()
    assert caught.value is raised[policy.attempts - 1]
    what = "Service.call" if kind == 0 else "Service.acall"
    assert caught.value.__notes__ == [f"{what}: gave up after {policy.attempts} of {policy.attempts} tries (exhausted)"]


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_mlflow_away_gives_none_and_is_counted(kind: int) -> None:
    before = REGISTRY.get_sample_value("platform_retries_total", {"dependency": "mlflow", "outcome": "gave none"}) or 0
    service = Service(*[down() for _ in range(9)])
    assert both(service, retry.retry_mlflow())[kind]() is None
    assert service.calls == 5
    after = REGISTRY.get_sample_value("platform_retries_total", {"dependency": "mlflow", "outcome": "gave none"})
    assert after == before + 1


@pytest.mark.parametrize(
    ("error", "borne"),
    [
        (ConnectionRefusedError(), True),
        (OSError(28, "No space left on device"), True),
        (CircuitOpenError("mlflow", 3), True),
        (ValidationError("a", "b", 1), False),
        (KeyError("bug"), False),
        (asyncio.CancelledError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_an_absence_is_borne_with_none_a_mistake_is_told(error: BaseException, borne: bool) -> None:
    function = retrying(Policy("bearing", 1, 0, 0, None, "none"))(Service(error).call)
    if borne:
        assert function() is None
    else:
        with pytest.raises(type(error)):
            function()


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_a_refusal_by_an_open_breaker_is_borne_too_where_the_policy_says_so(kind: int) -> None:
    breaker = CircuitBreaker(1, 60)
    breaker.isolate()
    service = Service()
    policy = Policy("bearing-open", 3, 0, 0, None, "none")
    assert both(service, protect(policy, breaker=breaker))[kind]() is None
    assert service.calls == 0


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
@pytest.mark.parametrize(
    "error", [ValidationError("a", "b", 1), KeyError("bug"), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_what_a_retry_cannot_help_is_raised_at_once_without_a_note(error: BaseException, kind: int) -> None:
    service = Service(error)
    with pytest.raises(type(error)) as caught:
        both(service, retrying(QUICK))[kind]()
    assert service.calls == 1
    assert not hasattr(caught.value, "__notes__")


def test_a_raw_exception_of_a_library_is_retried_too() -> None:
    service = Service(ConnectionResetError(104, "reset"), TimeoutError())
    assert retrying(QUICK)(service.call)() == 1
    assert service.calls == 3


def test_a_wait_of_zero_does_not_sleep(no_waiting: TestTiming) -> None:
    assert retrying(QUICK)(Service(down()).call)() == 1
    assert asyncio.run(retrying(QUICK)(Service(down()).acall)()) == 1
    assert no_waiting.waits == []


def test_the_first_attempt_runs_outside_the_machinery(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("the machinery was entered")

    service = Service()
    monkeypatch.setattr(retry, "Turns", unwanted)
    monkeypatch.setattr(retry._Sync, "guarded", unwanted)
    monkeypatch.setattr(retry._Sync, "failed", unwanted)
    assert retrying(QUICK)(service.call)(3) == 3


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_every_attempt_counts_for_the_breaker_and_its_opening_ends_the_retries(kind: int) -> None:
    breaker = CircuitBreaker(2, 60)
    service = Service(*[down() for _ in range(9)])
    with pytest.raises(NetworkError) as caught:
        both(service, protect(Policy("breaking", 5, 0, 0, None), breaker=breaker))[kind]()
    assert service.calls == 2
    assert breaker.state == "OPEN"
    assert caught.value.__notes__[0].endswith("gave up after 2 of 5 tries (breaker open)")


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_a_breaker_that_opens_during_the_wait_ends_the_retries_with_the_original_error(
    kind: int, no_waiting: TestTiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = CircuitBreaker(5, 60)
    service = Service(*[down() for _ in range(9)])
    monkeypatch.setattr(TestTiming, "sleep", lambda *_: breaker.isolate())
    with pytest.raises(NetworkError) as caught:
        both(service, protect(Policy("waiting", 5, 1, 2, None), breaker=breaker))[kind]()
    assert service.calls == 1
    assert caught.value.__notes__[0].endswith("tries (breaker open)")


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_an_open_breakers_refusal_is_never_retried_and_tells_the_seconds(kind: int, no_waiting: TestTiming) -> None:
    breaker = CircuitBreaker(1, 60, name="trainer")
    breaker.settle(breaker.acquire(), down())
    no_waiting.advance(18)
    service = Service()
    with pytest.raises(CircuitOpenError) as caught:
        both(service, protect(SLOW, breaker=breaker))[kind]()
    assert caught.value.retry_after == 42
    assert (service.calls, no_waiting.waits) == (0, [])


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_a_probe_that_fails_and_is_tried_again_when_the_breaker_lets_it(kind: int, no_waiting: TestTiming) -> None:
    breaker = CircuitBreaker(1, 10)
    breaker.settle(breaker.acquire(), down())
    no_waiting.advance(10)
    service = Service()
    assert both(service, protect(SLOW, breaker=breaker))[kind](4) == 4
    assert breaker.state == "CLOSED"


def test_all_functions_of_a_policy_share_its_breaker_unless_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_breakers", {})
    policy = Policy("sharing", 1, 0, 0, (2, 60))
    one, two = protect(policy)(Service(down()).call), protect(policy)(Service(down()).call)
    for function in (one, two):
        with pytest.raises(NetworkError):
            function()
    assert policies.shared_breaker(policy).state == "OPEN"
    assert protect(policy, breaker=CircuitBreaker())(Service().call)() == 1
    assert protect(Policy("unbroken", 1, 0, 0, None))(Service().call)() == 1


def test_the_other_sides_wish_is_heeded_within_reason(no_waiting: TestTiming) -> None:
    wishes = [3, 9, 3600, None, 0]
    errors: list[BaseException] = [ServiceUnavailableError("x", wish) for wish in wishes]
    policy = Policy("wishing", 6, 2, 10, None)
    assert retrying(policy, rng=random.Random(5))(Service(*errors).call)() == 1
    own = random.Random(5)
    drawn = [own.uniform(*policy.bounds(number)) for number in range(1, 6)]
    asked = [wish or 0 for wish in wishes]
    assert no_waiting.waits == [min(max(mine, ask), mine + 10) for mine, ask in zip(drawn, asked, strict=True)]
    assert no_waiting.waits[2] == drawn[2] + 10


@seed(20261125)
@settings(max_examples=300, deadline=None, database=None)
@given(
    first=st.floats(0, 20),
    more=st.floats(0, 100),
    attempts=st.integers(1, 8),
    asked=st.one_of(st.none(), st.floats(0, 1e6)),
    left=st.one_of(st.none(), st.floats(0.01, 300)),
    rng=st.integers(0, 2**32),
)
def test_waits_keep_within_bounds_wishes_and_deadline(
    first: float, more: float, attempts: int, asked: float | None, left: float | None, rng: int
) -> None:
    policy = Policy("bounded", attempts, first, first + more, None)
    with timing.testing() as clock:
        service = Service(*[ServiceUnavailableError("x", asked) for _ in range(9)])
        function = retrying(policy, rng=random.Random(rng))(service.call)
        deadline = timing.deadline(left) if left is not None else timing.deadline(1e9)
        with deadline, pytest.raises(ServiceUnavailableError):
            function()
        assert service.calls <= attempts
        for number, wait in enumerate(clock.waits, start=1):
            low, high = policy.bounds(number)
            assert low <= wait <= max(high, min(asked or 0, high + policy.longest_wait))
            assert wait >= min(asked or 0, low + policy.longest_wait)
        assert sum(clock.waits) <= (left if left is not None else 1e9)


def test_a_wait_is_cut_short_to_end_before_the_deadline(no_waiting: TestTiming) -> None:
    function = retrying(Policy("clipped", 2, 2, 60, None), rng=random.Random(1))(Service(down()).call)
    assert random.Random(1).uniform(2, 4) > 2.1
    with timing.deadline(2.1):
        assert function() == 1
    assert no_waiting.waits == [2]


@pytest.mark.parametrize(("first", "longest", "left"), [(5, 5, 5), (2, 60, 2)])
def test_a_wait_that_would_end_with_the_deadline_leaves_no_time_for_a_try(
    first: float, longest: float, left: float, no_waiting: TestTiming
) -> None:
    service = Service(down())
    with timing.deadline(left), pytest.raises(NetworkError):
        retrying(Policy("exactly", 3, first, longest, None))(service.call)()
    assert (service.calls, no_waiting.waits) == (1, [])


def test_the_deadline_ends_a_call_before_its_first_attempt(no_waiting: TestTiming) -> None:
    before = REGISTRY.get_sample_value("platform_retries_total", {"dependency": "retry-tests", "outcome": "deadline"}) or 0
    service = Service()
    for call in both(service, retrying(QUICK)):
        with timing.deadline(5):
            no_waiting.advance(5)
            with pytest.raises(OperationTimeout, match="timed out after 0s"):
                call()
    assert service.calls == 0
    after = REGISTRY.get_sample_value("platform_retries_total", {"dependency": "retry-tests", "outcome": "deadline"})
    assert after == before + 2


async def test_an_async_attempt_is_not_even_begun_after_the_deadline(no_waiting: TestTiming) -> None:
    begun: list[int] = []

    @retrying(QUICK)
    async def begins_at_once() -> None:
        begun.append(1)
        await asyncio.sleep(0)

    with timing.deadline(5):
        no_waiting.advance(5)
        with pytest.raises(OperationTimeout):
            await begins_at_once()
    assert begun == []


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_within_a_deadline_a_call_succeeds_fails_and_is_retried_as_usual(kind: int) -> None:
    breaker = CircuitBreaker()
    service = Service(down(), ValidationError("a", "b", 1))
    call = both(service, protect(QUICK, breaker=breaker))[kind]
    with timing.deadline(60):
        with pytest.raises(ValidationError):
            call()
        assert call(7) == 7
    assert service.calls == 3
    assert list(breaker.window or ()) == [False, None, True]


async def test_an_attempts_own_time_out_within_a_deadline_stays_itself() -> None:
    service = Service(*[TimeoutError("its own") for _ in range(9)])
    with timing.deadline(60), pytest.raises(TimeoutError, match="its own"):
        await retrying(QUICK)(service.acall)()
    assert service.calls == 3


async def test_a_hung_attempt_cut_by_the_deadline_counts_as_the_dependencys_failure_in_the_innermost_breaker() -> None:
    inner, outer = CircuitBreaker(), CircuitBreaker()

    @protect(QUICK, breaker=outer)
    async def around() -> None:
        await hung()

    @protect(QUICK, breaker=inner)
    async def hung() -> None:
        await asyncio.Event().wait()

    with timing.testing(), timing.deadline(0.03), pytest.raises(OperationTimeout) as caught:
        await around()
    assert (inner.failure_count, outer.failure_count) == (1, 1)
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_second_attempt_that_hangs_is_cut_too() -> None:
    breaker = CircuitBreaker()
    tries: list[int] = []

    @protect(QUICK, breaker=breaker)
    async def second_hangs() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise down()
        await asyncio.Event().wait()

    with timing.deadline(0.03), pytest.raises(OperationTimeout):
        await second_hangs()
    assert (len(tries), breaker.failure_count) == (2, 2)


async def test_a_callers_cancellation_within_a_deadline_is_nobodys_failure() -> None:
    breaker = CircuitBreaker()

    @protect(QUICK, breaker=breaker)
    async def hung() -> None:
        await asyncio.Event().wait()

    async def caller() -> None:
        with timing.deadline(60):
            await hung()

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.failure_count == 0


async def test_mlflow_cut_by_the_deadline_gives_none() -> None:
    @retry.retry_mlflow()
    async def hung() -> int:
        await asyncio.Event().wait()
        return 1

    with timing.deadline(0.02):
        assert await hung() is None


class Layers:
    """An outer call that makes an inner one; each is retried by a policy of its own."""

    def __init__(self, way: str) -> None:
        self.way, self.calls = way, 0

    @retrying(QUICK)
    def inner(self) -> None:
        self.calls += 1
        raise down()

    @retrying(QUICK)
    async def ainner(self) -> None:
        self.inner_body()

    def inner_body(self) -> None:
        self.calls += 1
        raise down()

    @retrying(Policy("outer", 3, 0, 0, None))
    async def outer(self) -> None:
        if self.way == "call":
            self.inner()
        elif self.way == "await":
            await self.ainner()
        elif self.way == "task":
            await asyncio.create_task(self.ainner())
        elif self.way == "thread":
            await asyncio.to_thread(self.inner)
        elif self.way == "gather":
            await asyncio.gather(self.ainner())
        else:
            try:
                await self.ainner()
            except NetworkError as error:
                raise ServiceUnavailableError("translated") from error


@pytest.mark.parametrize("way", ["call", "await", "task", "thread", "gather", "translated"])
async def test_one_layer_retries_however_the_layers_are_joined(way: str) -> None:
    layers = Layers(way)
    with pytest.raises(PlatformError):
        await layers.outer()
    assert layers.calls == 3


def test_the_same_exception_object_raised_again_is_retried_again() -> None:
    again = down()
    service = Service(*[again] * 9)
    function = retrying(QUICK)(service.call)
    for _ in range(2):
        with timing.testing(), pytest.raises(NetworkError):
            function()
    assert service.calls == 6


def test_a_mark_of_retries_does_not_hinder_copies() -> None:
    with pytest.raises(NetworkError) as caught:
        retrying(QUICK)(Service(*[down() for _ in range(3)]).call)()
    for twin in (copy.deepcopy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert twin.__notes__ == caught.value.__notes__


@dataclasses.dataclass(frozen=True)
class Frozen(ConnectionError):
    reason: str


class Mute(ConnectionError):
    def __str__(self) -> str:
        raise RuntimeError("says nothing")


@pytest.mark.parametrize("error", [Frozen("closed"), Mute()], ids=lambda value: type(value).__name__)
def test_an_exception_that_takes_no_notes_or_has_no_text_comes_out_as_itself(error: BaseException) -> None:
    service = Service(*[error] * 3)
    with pytest.raises(type(error)) as caught:
        retrying(QUICK)(service.call)()
    assert caught.value is error
    assert service.calls == 3
    silent = Service(*[error] * 3)
    assert retrying(Policy("silent", 2, 0, 0, None, "none"))(silent.call)() is None


def test_an_outage_costs_at_most_eleven_backend_calls_for_ten_logical_ones() -> None:
    service = Service(*[down() for _ in range(5000)])
    function = retrying(Policy("outage", 3, 0, 0, None))(service.call)
    for _ in range(1000):
        with pytest.raises(NetworkError):
            function()
    assert service.calls <= 1000 * 1.1 + 3


def test_every_step_is_logged_with_the_call_and_its_error(no_waiting: TestTiming) -> None:
    with capture_logs() as lines:
        retrying(Policy("logged", 3, 2, 2, None, "none"))(Service(*[down() for _ in range(9)]).call)()
    steps = [(line["event"], line.get("tries"), line.get("wait_s")) for line in lines]
    assert steps == [("trying again", 1, 2), ("trying again", 2, 2), ("given up, going on without", None, None)]
    assert {(line["call"], line["error"]) for line in lines} == {("Service.call", str(down()))}
    with capture_logs() as lines, pytest.raises(NetworkError):
        retrying(Policy("logged-budget", 9, 0, 0, None))(Service(*[down() for _ in range(9)]).call)()
    assert lines[-1] == {
        "event": "retry budget exhausted",
        "call": "Service.call",
        "dependency": "logged-budget",
        "error": str(down()),
        "log_level": "warning",
        "logger_name": "app.core.turns",
    }


@pytest.mark.parametrize("outcome", ["retried", "exhausted", "breaker open", "deadline", "budget", "gave none"])
def test_every_end_is_counted_by_dependency(outcome: str, no_waiting: TestTiming) -> None:
    name = f"counted-{outcome}".replace(" ", "-")
    wait, give_up = (5 if outcome == "deadline" else 0), "none" if outcome == "gave none" else "raises"
    policy = Policy(name, 2 if outcome in ("exhausted", "gave none") else 9, wait, wait, None, give_up)
    breaker = CircuitBreaker(1 if outcome == "breaker open" else 99)
    function = protect(policy, breaker=breaker)(Service(*[down() for _ in range(9)]).call)
    with timing.deadline(3), contextlib.suppress(NetworkError):
        function()
    assert REGISTRY.get_sample_value("platform_retries_total", {"dependency": name, "outcome": outcome}) == (
        3 if outcome == "retried" else 1
    )


def test_a_refused_retry_is_counted_apart_and_noted() -> None:
    name = "platform_retry_budget_refusals_total"
    function = retrying(Policy("refused", 9, 0, 0, None))(Service(*[down() for _ in range(9)]).call)
    before = REGISTRY.get_sample_value(name, {"dependency": "refused"}) or 0
    with pytest.raises(NetworkError) as caught:
        function()
    assert caught.value.__notes__[0].endswith("gave up after 4 of 9 tries (budget)")
    assert REGISTRY.get_sample_value(name, {"dependency": "refused"}) == before + 1


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_without_a_breaker_too_every_outcome_is_traffic_that_retries_are_measured_by(kind: int) -> None:
    policy = Policy(f"traffic-{kind}", 3, 0, 0, None)
    service = Service(down())
    call = both(service, retrying(policy))[kind]
    call()
    call()
    with timing.deadline(60):
        call()
    assert list(retry._traffic[policy.name].window or ()) == [False, None, True, True, True]
    failing = Service(*[down() for _ in range(999)])
    for _ in range(100):
        call()
    again = both(failing, retrying(policy))[kind]
    for _ in range(5):
        with pytest.raises(NetworkError):
            again()
    assert failing.calls == 15


def test_functions_of_one_dependency_share_its_budget_and_another_has_its_own() -> None:
    policy = Policy("common", 9, 0, 0, None)
    first, second = Service(*[down() for _ in range(9)]), Service(*[down() for _ in range(9)])
    for service in (first, second):
        with pytest.raises(NetworkError):
            retrying(policy)(service.call)()
    assert (first.calls, second.calls) == (4, 1)
    apart = Service(*[down() for _ in range(9)])
    with pytest.raises(NetworkError):
        protect(policy, breaker=CircuitBreaker(99, name="apart"))(apart.call)()
    assert apart.calls == 4


def test_a_protected_method_keeps_name_doc_signature_and_takes_its_self() -> None:
    class Client:
        @retry.retry_s3()
        def put(self, key: str, *, part: int = 1) -> tuple[str, int]:
            """Puts."""
            return key, part

    assert Client().put("k", part=2) == ("k", 2)
    assert (Client.put.__name__, Client.put.__doc__) == ("put", "Puts.")
    assert list(inspect.signature(Client.put).parameters) == ["self", "key", "part"]


@pytest.mark.parametrize("make", [lambda: retrying(QUICK), CircuitBreaker], ids=["retrying", "breaker"])
@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
def test_the_exception_is_not_kept_alive_by_the_frames_that_handled_it(make: Callable[[], Any], kind: int) -> None:
    watched: list[weakref.ref[BaseException]] = []

    def refuse() -> None:
        raise ValidationError("a", "b", 1)

    async def arefuse() -> None:
        raise ValidationError("a", "b", 1)

    function = make()(arefuse if kind else refuse)

    def caller() -> None:
        try:
            outcome = function()
            if kind:
                outcome.send(None)
        except ValidationError as error:
            watched.append(weakref.ref(error))

    gc.collect()
    gc.disable()
    try:
        caller()
        assert watched[0]() is None
    finally:
        gc.enable()


def test_threads_may_call_one_protected_function_at_once() -> None:
    calls: list[int] = []

    @retrying(Policy("threads", 3, 0, 0, None))
    def work(number: int) -> int:
        calls.append(number)
        if calls.count(number) == 1 and number % 20 == 0:
            raise down()
        return number

    done: list[int] = []
    threads = [threading.Thread(target=lambda n=n: done.append(work(n))) for n in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == list(range(60))
    assert len(calls) == 63
