"""F(n): right to the last digit, for whoever asks and nobody else, a bounded number of sums at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulso.errors import ServiceError
from pulso.message import Tell
from services.numbers import contract
from services.numbers.contract import MAX_N, AskFibonacci, Fibonacci
from services.numbers.fibonacci import fibonacci
from services.numbers.worker import Worker
from tests.services.numbers.conftest import Gateway

F_1000 = (
    "43466557686937456435688527675040625802564660517371780402481729089536555417949051890403879840079255169295922593"
    "080322634775209689623239873322471161642996440906533187938298969649928516003704476137795166849228875"
)


@pytest.fixture(autouse=True)
def any_number_of_digits() -> Iterator[None]:
    """Python's own numbers, which ours are held against, have at most 4,300 digits unless told otherwise."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with contextlib.closing(Worker(max_waiting=6, max_of_one=4)) as worker:
        yield worker


@settings(deadline=None)  # speed is measured elsewhere
@given(st.integers(0, MAX_N - 2))
def test_each_number_is_the_sum_of_the_two_before(n: int) -> None:
    assert int(fibonacci(n)) + int(fibonacci(n + 1)) == int(fibonacci(n + 2))


def test_the_beginning_is_that_of_the_recurrence() -> None:
    here, after = 0, 1
    for n in range(3_000):
        assert fibonacci(n) == str(here)
        here, after = after, here + after


@pytest.mark.parametrize("n", [1_000, 4_784, 4_785, 65_535, 65_536, 99_999, MAX_N])
def test_far_numbers_are_those_of_the_recurrence(n: int) -> None:
    here, after = 0, 1
    for _ in range(n):
        here, after = after, here + after
    assert fibonacci(n) == str(here)


async def test_the_answer_is_text_with_its_number_of_digits(gateway: Gateway) -> None:
    ana = gateway.caller("ana")
    for n, value in ((0, "0"), (1, "1"), (2, "1"), (10, "55"), (1_000, F_1000)):
        answer = await gateway.call(contract.FIBONACCI, AskFibonacci(n), ana)
        assert answer == Fibonacci(n, value, len(value))
    assert (await gateway.call(contract.FIBONACCI, AskFibonacci(MAX_N), ana)).digits == 20_899


async def test_nobody_is_told_but_the_caller(gateway: Gateway) -> None:
    await gateway.follow_user("ana")
    await gateway.call(contract.FIBONACCI, AskFibonacci(10), gateway.caller("ana"))
    await gateway.set(gateway.caller("ana"), 37)  # what was told before would have come before this
    assert [tell.event for tell in gateway.told if isinstance(tell, Tell)] == ["numbers:value"]


@pytest.mark.parametrize("n", ["-1", "2.7", "null", '"x"', '"10"', "1000000000", "100001", "true", "[1]", "1e999"])
async def test_bad_input_is_refused_with_what_is_allowed(gateway: Gateway, n: str) -> None:
    answered: asyncio.Future[tuple[str | None, bytes]] = asyncio.get_running_loop().create_future()
    gateway.bus.request(
        gateway.bus.channels.service("numbers", 0), "numbers:fibonacci", f'{{"n": {n}}}'.encode(),
        gateway.caller("ana"), timeout_s=5,
        on_reply=lambda reply: answered.set_result((reply.code, reply.payload)),
    )  # fmt: skip
    code, payload = await answered
    assert code == "bad_request"
    assert "n: a whole number from 0 to 100000." in msgspec.json.decode(payload)["error"]["message"]


async def test_a_crowd_of_sums_is_answered_each_with_its_own(gateway: Gateway) -> None:
    numbers = range(10_000, 10_100)  # done before any deadline on a slow machine, too
    answers = await asyncio.gather(
        *(gateway.call(contract.FIBONACCI, AskFibonacci(n), gateway.caller(f"u_{n}")) for n in numbers)
    )
    assert [answer.n for answer in answers] == list(numbers)
    assert {answer.value[-30:] for answer in answers} == {fibonacci(n)[-30:] for n in numbers}


async def test_what_is_too_much_is_refused_at_once_and_the_rest_is_done(worker: Worker) -> None:
    gate = threading.Event()

    def ask(user: str) -> asyncio.Task[str]:
        return asyncio.create_task(worker.run(user, lambda: str(gate.wait(10))))

    anas, ruis, bias = [ask("ana") for _ in range(5)], [ask("rui") for _ in range(2)], [ask("bia")]
    for refused, code in ((anas[4], "rate_limited"), (bias[0], "unavailable")):
        with pytest.raises(ServiceError, match=code):
            await refused
    gate.set()
    assert await asyncio.gather(*anas[:4], *ruis) == ["True"] * 6
    assert await worker.run("ana", lambda: fibonacci(10)) == "55"


async def test_work_that_fails_fails_for_its_caller_alone(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        await worker.run("ana", lambda: 1 // 0)
    assert await worker.run("ana", lambda: fibonacci(10)) == "55"


async def test_between_pieces_of_work_the_loop_has_the_interpreter_for_as_long(worker: Worker) -> None:
    spans: list[tuple[float, float]] = []

    def work() -> None:
        begun = time.monotonic()
        gate.wait(0.02)
        spans.append((begun, time.monotonic()))

    gate = threading.Event()
    await asyncio.gather(*(worker.run("ana", work) for _ in range(3)))
    for (begun, ended), (next_begun, _) in pairwise(spans):
        assert next_begun - ended >= 0.9 * (ended - begun)


async def test_work_that_nobody_waits_for_any_more_is_not_begun(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.numbers.worker.PATIENCE_S", -1.0)
    begun: list[bool] = []
    with pytest.raises(ServiceError, match="timeout"):
        await worker.run("ana", lambda: begun.append(True))
    assert begun == []


async def test_at_the_end_what_waits_is_cancelled(worker: Worker) -> None:
    gate = threading.Event()
    first, second = (asyncio.create_task(worker.run("ana", lambda: gate.wait(10))) for _ in range(2))
    await asyncio.wait([second], timeout=0.05)
    worker.close()
    gate.set()
    assert await first
    with pytest.raises(asyncio.CancelledError):
        await second
