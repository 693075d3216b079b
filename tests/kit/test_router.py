"""From call to reply: what cannot be read or is not allowed is refused, and no fault ends the shard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from pulso import lanes
from pulso import router as router_module
from pulso.contract import ANONYMOUS, Caller, Contract
from pulso.message import Reply, Tell, encode_caller
from pulso.party import Connected
from pulso.router import Router
from pulso.routes import Routes
from tests.kit.asker import Alike
from tests.kit.echo import ADMIN, CONTRACT, GUEST, PING, SAY, TOGETHER, Echo, routes
from tests.waiting import PATIENCE_S, eventually

REPLIES_WITHIN_S = 3.0


class Desk:
    """Asks a router that listens on the bus."""

    def __init__(self, party: Connected, echo: Echo) -> None:
        self.echo = echo
        self._bus = party.bus

    async def ask(self, endpoint: str, payload: bytes, caller: Caller = GUEST) -> Reply:
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._bus.request(
            "echo", endpoint, payload, caller, timeout_s=REPLIES_WITHIN_S, on_reply=replied.set_result
        )
        return await replied

    async def ask_many(self, endpoint: str, payloads: list[bytes], caller: Caller) -> list[Reply]:
        return await asyncio.gather(*(self.ask(endpoint, payload, caller) for payload in payloads))


@contextlib.asynccontextmanager
async def open_desk(party: Connected) -> AsyncIterator[Desk]:
    echo = Echo()
    router = Router(routes, echo, party.bus)
    async with router.running():
        await party.bus.listen("echo", router.accept)
        yield Desk(party, echo)
        party.bus.unlisten("echo")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b'"text"',
        b"7",
        b"{",
        b"{}{}",
        b'{"text":7}',
        b'{"text":null}',
        b'{"text":NaN}',
        b'{"text":"x","more":1}',
        b'{"text":"x","__proto__":{}}',
        b'{"text":"\\ud800"}',
        b'{"text":"\xed\xa0\x80"}',
        b'{"text":"\xff"}',
        b"\x00",
        b"[" * 100_000,
        b'{"text":' * 100_000,
        b'{"text":' + b"1" * 10_000 + b"}",
    ],
)
async def test_payload_that_is_no_request_is_refused_and_the_next_answered(
    party: Connected, payload: bytes
) -> None:
    async with open_desk(party) as desk:
        refused = await desk.ask("echo:say", payload)
        assert refused.code == "bad_request"
        assert len(refused.payload) < 500
        assert (await desk.ask("echo:say", b'{"text":"next"}')).payload == b'{"text":"next"}'


@pytest.mark.parametrize("payload", [b"", b"null", b"{}"])
async def test_nothing_null_and_an_empty_object_are_the_same(party: Connected, payload: bytes) -> None:
    async with open_desk(party) as desk:
        assert (await desk.ask("echo:ping", payload)).payload == b"{}"


async def test_unknown_endpoint_is_not_found(party: Connected) -> None:
    async with open_desk(party) as desk:
        assert (await desk.ask("echo:shout", b"{}")).code == "not_found"


@pytest.mark.parametrize(
    ("endpoint", "caller", "code"),
    [
        ("echo:say", ANONYMOUS, "unauthorized"),
        ("echo:say", GUEST, None),
        ("echo:together", ANONYMOUS, "unauthorized"),
        ("echo:together", GUEST, "forbidden"),
        ("echo:together", ADMIN, None),
        ("echo:ping", ANONYMOUS, None),
    ],
)
async def test_access_is_checked(party: Connected, endpoint: str, caller: Caller, code: str | None) -> None:
    async with open_desk(party) as desk:
        payload = b"{}" if endpoint == "echo:ping" else b'{"text":"x"}'
        assert (await desk.ask(endpoint, payload, caller)).code == code


async def test_who_may_not_ask_is_not_told_what_is_wrong_with_the_question(party: Connected) -> None:
    async with open_desk(party) as desk:
        assert (await desk.ask("echo:together", b"{", GUEST)).code == "forbidden"


@pytest.mark.parametrize("endpoint", ["echo:say", "echo:together"])
async def test_refusal_of_a_handler_is_passed_on(party: Connected, endpoint: str) -> None:
    async with open_desk(party) as desk:
        reply = await desk.ask(endpoint, b'{"text":"refuse"}', ADMIN)
        assert reply.code == "conflict"
        error = msgspec.json.decode(reply.payload)["error"]
        assert error == {"code": "conflict", "message": "It was said already."}


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("echo:say", "fault"),
        ("echo:say", "nonsense"),
        ("echo:say", "cancelled"),
        ("echo:together", "fault"),
        ("echo:together", "short"),
        ("echo:together", "cancelled"),
    ],
)
async def test_fault_of_a_handler_is_internal_and_the_next_is_answered(
    party: Connected, endpoint: str, text: str
) -> None:
    async with open_desk(party) as desk:
        reply = await desk.ask(endpoint, msgspec.json.encode({"text": text}), ADMIN)
        assert reply.code == "internal"
        assert b"secret" not in reply.payload
        assert (await desk.ask(endpoint, b'{"text":"next"}', ADMIN)).code is None


async def test_batches_grow_while_one_is_handled(party: Connected) -> None:
    async with open_desk(party) as desk:
        desk.echo.gate.clear()
        first = asyncio.create_task(desk.ask("echo:together", b'{"text":"first"}', ADMIN))
        await desk.echo.entered.wait()
        rest = asyncio.create_task(desk.ask_many("echo:together", [b'{"text":"x"}'] * 100, ADMIN))
        arrived = await desk.ask("echo:ping", b"")  # in order: when this is answered, they are there
        assert arrived.code is None
        desk.echo.gate.set()
        await asyncio.gather(first, rest)
        assert desk.echo.batches == [1, 100]


async def test_one_refused_in_a_batch_is_refused_alone(party: Connected) -> None:
    async with open_desk(party) as desk:
        payloads = [b'{"text":"x"}', b'{"text":"refuse"}', b"{", b'{"text":"y"}']
        replies = await desk.ask_many("echo:together", payloads, ADMIN)
        assert [reply.code for reply in replies] == [None, "conflict", "bad_request", None]
        assert desk.echo.batches == [3]


async def test_calls_in_one_envelope_are_refused_and_answered_each(party: Connected) -> None:
    answers: dict[int, tuple[bytes, str | None]] = {}

    class Waiter(Alike, msgspec.Struct):
        number: int

        def answered(self, payload: bytes, code: str | None) -> None:
            assert self.number not in answers
            answers[self.number] = (payload, code)

    asked = [
        (ADMIN, b'{"text":"x"}'), (GUEST, b'{"text":"x"}'), (ADMIN, b"{"), (ADMIN, b'{"text":"refuse"}'),
        (ADMIN, b'{"text":"y"}'),
    ]  # fmt: skip
    async with open_desk(party) as desk:
        for number, (caller, payload) in enumerate(asked):
            waiter = Waiter(number)
            party.bus.ask(
                "echo", "echo:together", payload, encode_caller(caller), client="c-1", timeout_s=5, asker=waiter
            )
        await eventually(lambda: len(answers) == len(asked))
        codes = [answers[number][1] for number in range(len(asked))]
        assert codes == [None, "forbidden", "bad_request", "conflict", None]
        assert answers[4][0] == b'{"together":3}'
        assert desk.echo.batches == [3]


async def test_too_many_calls_in_hand_are_unavailable_at_once(
    party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_CALLS", 10)
    async with open_desk(party) as desk:
        desk.echo.gate.clear()
        asked = asyncio.create_task(desk.ask_many("echo:say", [b'{"text":"x"}'] * 15, GUEST))
        await desk.echo.entered.wait()
        assert (await desk.ask("echo:say", b'{"text":"one more"}')).code == "unavailable"
        desk.echo.gate.set()
        codes = [reply.code for reply in await asked]
        assert codes == [None] * 10 + ["unavailable"] * 5
        assert (await desk.ask("echo:say", b'{"text":"again"}')).code is None


async def test_calls_that_are_handled_in_batches_may_be_more(
    party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_CALLS", 1)
    monkeypatch.setattr(lanes, "MAX_BATCHED_CALLS", 10)
    async with open_desk(party) as desk:
        desk.echo.gate.clear()
        asked = asyncio.create_task(desk.ask_many("echo:together", [b'{"text":"x"}'] * 15, ADMIN))
        await desk.echo.entered.wait()
        assert (await desk.ask("echo:say", b'{"text":"one more"}')).code == "unavailable"
        desk.echo.gate.set()
        assert [reply.code for reply in await asked] == [None] * 10 + ["unavailable"] * 5


async def test_call_that_nobody_waits_for_any_more_is_not_begun(party: Connected) -> None:
    """After a stall the past must not be worked off before the present."""
    async with open_desk(party) as desk:
        desk.echo.gate.clear()
        first = asyncio.create_task(desk.ask("echo:together", b'{"text":"first"}', ADMIN))
        await desk.echo.entered.wait()
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        party.bus.request(
            "echo", "echo:together", b'{"text":"x"}', ADMIN, timeout_s=0.05, on_reply=replied.set_result
        )
        assert (await replied).code == "timeout"
        desk.echo.gate.set()
        await first
        assert (await desk.ask("echo:together", b'{"text":"next"}', ADMIN)).code is None
        assert desk.echo.batches == [1, 1]


async def test_what_is_no_call_is_passed_over(party: Connected) -> None:
    async with open_desk(party) as desk:
        party.bus.send("echo", Tell("event", b""))
        assert (await desk.ask("echo:ping", b"")).code is None


async def test_drain_finishes_what_is_in_hand(party: Connected) -> None:
    echo = Echo()
    echo.gate.clear()
    async with asyncio.timeout(PATIENCE_S):
        router = Router(routes, echo, party.bus)
        async with router.running():
            await party.bus.listen("echo", router.accept)
            desk = Desk(party, echo)
            asked = asyncio.create_task(desk.ask_many("echo:say", [b'{"text":"x"}'] * 20, GUEST))
            together = asyncio.create_task(desk.ask_many("echo:together", [b'{"text":"x"}'] * 20, ADMIN))
            await eventually(lambda: echo.batches)
            party.bus.unlisten("echo")
            asyncio.get_running_loop().call_soon(echo.gate.set)
        assert {reply.code for reply in await asked + await together} == {None}


async def test_drain_ends_though_a_handler_does_not(party: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_module, "DRAIN_S", 0.1)
    echo = Echo()
    echo.gate.clear()
    with pytest.raises(ExceptionGroup) as caught:
        async with Router(routes, echo, party.bus).running() as _:
            router = Router(routes, echo, party.bus)
            async with router.running():
                await party.bus.listen("echo", router.accept)
                asked = asyncio.create_task(Desk(party, echo).ask("echo:say", b'{"text":"x"}'))
                await echo.entered.wait()
    assert caught.group_contains(TimeoutError)
    assert (await asked).code in {"timeout", "unavailable"}


def test_contract_without_a_handler_for_each_endpoint_is_refused() -> None:
    some = Routes[Echo]()
    some.handler(SAY)(routes.ones["echo:say"][1])
    with pytest.raises(ValueError, match="echo:ping"):
        some.check(CONTRACT)
    with pytest.raises(ValueError, match="echo:say"):
        some.check(Contract("echo", ()))


def test_endpoint_with_two_handlers_is_refused() -> None:
    double = Routes[Echo]()
    for endpoint in (SAY, PING, TOGETHER):
        double.handler(endpoint)(routes.ones["echo:say"][1])
    double.batch_handler(SAY)(routes.manies["echo:together"][1])
    with pytest.raises(ValueError, match="echo:say"):
        double.check(CONTRACT)
