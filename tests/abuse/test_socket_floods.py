"""Too much of what is allowed: it is limited, nobody else waits for it, and the memory is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.abuse.conftest import Expect, Report
from tests.abuse.target import MEBIBYTE, Account, Target
from tests.cases import Case
from tests.raw_http import ask, post
from tests.raw_websocket import CONT, PING, TEXT, Closed, Wire, connect, frame, opened, welcomed
from tests.waiting import eventually

pytestmark = pytest.mark.alone  # a flood takes what other tests need to be answered in time
RATE: Final = 20
"""Events a second that a socket may send, and twice that at once (README)."""
BEFORE: Final = 2
"""Events that a socket may have sent before it is measured."""
DEAF: Final = 4096
"""What the machine of a client that never reads takes for it, in bytes."""
LONGEST: Final = "\N{EURO SIGN}" * 4000


@dataclass(frozen=True, slots=True)
class Answered:
    """How many were answered with each code, and how long that took."""

    codes: Counter[str]
    took_s: float

    @property
    def is_limited(self) -> bool:
        """As many as are allowed in that time were answered well, all others refused."""
        at_most = 2 * RATE + RATE * self.took_s + 1
        return {*self.codes} == {"ok", "rate_limited"} and 2 * RATE - BEFORE <= self.codes["ok"] <= at_most


async def burst(wire: Wire, event: str, payloads: list[Any]) -> Answered:
    """Send all at once."""
    began = time.monotonic()
    wire.say(*[f"42{number}{json.dumps([event, payload])}" for number, payload in enumerate(payloads)])
    codes: Counter[str] = Counter()
    for _ in payloads:
        packet = str(await wire.until("43", within_s=60))
        answer = json.loads(packet[packet.index("[") :])[0]
        codes[answer["error"]["code"] if "error" in answer else "ok"] += 1
    return Answered(codes, time.monotonic() - began)


OF_GUESTS: Final[dict[str, dict[str, int]]] = {
    "numbers:set": {"value": 1}, "numbers:watch": {}, "numbers:fibonacci": {"n": 5},
    "presence:watch": {}, "presence:list": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "payload"),
    OF_GUESTS.items(),
    ids=OF_GUESTS,
)
async def test_1000_events_at_once(target: Target, event: str, payload: Any, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        seen = await burst(wire, event, [payload] * 1000)
    expect((1000, True), (seen.codes.total(), seen.is_limited))


@pytest.mark.parametrize("event", ["chat:typing", "chat:join", "chat:send", "chat:history"])
async def test_1000_events_of_a_member_at_once(target: Target, event: str, expect: Expect) -> None:
    """What others in the room hear of it is no more than what was let through."""
    payloads: dict[str, Callable[[int], Any]] = {
        "chat:typing": lambda number: {"typing": number % 2 == 0},
        "chat:join": lambda number: {"room": f"sala-{number % 3 + 1}"},
        "chat:send": lambda number: {"id": str(uuid.uuid4()), "text": str(number)},
        "chat:history": lambda number: {"room": "sala-3"},
    }
    async with welcomed(target, target.user()) as wire, welcomed(target, target.user()) as other:
        for one in (wire, other):
            await one.ask("chat:join", {"room": "sala-3"})
        seen = await burst(wire, event, [payloads[event](number) for number in range(1000)])
        other.say('4299["numbers:set",{"value":1}]')
        heard = 0
        while not str(packet := await other.packet()).startswith("4399["):
            heard += str(packet).startswith('42["chat:')
    expect((1000, True, True), (seen.codes.total(), seen.is_limited, heard <= 2 * seen.codes["ok"] + 2))


async def test_1000_events_a_second_for_three_seconds(target: Target, expect: Expect) -> None:
    """Three times the rate of a crowd, from one: still answered, still limited, still connected."""
    began, codes = time.monotonic(), Counter[str]()
    async with welcomed(target, target.guest()) as wire:
        for second in range(3):
            codes += (await burst(wire, "numbers:set", [{"value": 1}] * 1000)).codes
            await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))
    expect((3000, True), (codes.total(), Answered(codes, time.monotonic() - began).is_limited))


FLOODS: Final = {
    "events that are refused": '42["numbers:set",{"value":100}]',
    "events with an odd name": "42[1]",
    "acks of nothing": "431[]",
    "namespaces": "40/x,",
    "pongs": "3",
    "noops": "6",
}
FRAMES: Final = {
    **{name: frame(packet, mask=bytes(4)) for name, packet in FLOODS.items()},
    "WebSocket pings": frame(b"", PING, mask=bytes(4)),
    "messages in two pieces": frame(b"", first=TEXT, mask=bytes(4)) + frame(b"6", CONT, mask=bytes(4)),
}


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
async def test_a_hundred_times_as_much_as_is_allowed(target: Target, data: bytes, expect: Expect) -> None:
    """Limits are for those who mean well; who goes on and on is closed, before it takes everybody's turn."""
    async with welcomed(target, target.guest()) as wire:
        expect("closed 1008", str(await wire.flood(data, 20_000)))


async def test_a_member_who_asks_for_the_longest_messages_and_never_reads(target: Target, report: Report) -> None:
    """On as many sockets as allowed: each is closed as slow, and what waits for them is bounded."""
    ana = target.user()
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": "sala-2"})
        for _ in range(60):
            body = {"id": str(uuid.uuid4()), "text": LONGEST, "room": "sala-2"}
            assert (await ask(target, post("/api/chat/send", body, ana.bearer))).status == 200
        closed_before, memory = target.metric("pulso_slow_closes_total"), target.memory_bytes()
        async with contextlib.AsyncExitStack() as stack:
            deaf = [await stack.enter_async_context(welcomed(target, ana, receive_bytes=DEAF)) for _ in range(9)]
            question = json.dumps(["chat:history", {"room": "sala-2", "limit": 200}])
            async with asyncio.timeout(30):
                while target.metric("pulso_slow_closes_total") < closed_before + len(deaf):
                    for one in deaf:  # how much the kernel keeps for them is the machine's affair
                        one.say(*[f"42{number}{question}" for number in range(2 * RATE)])
                    await asyncio.sleep(2)
            grown = target.memory_bytes() - memory
        # What was asked for is worked off, and nobody else has lost anything by it: chat answers, this user too.
        await eventually(lambda: _has_history(wire), within_s=30)
    report(Case("a member who never reads: 9 sockets", "all closed as slow", "all closed as slow"))
    report(Case("a member who never reads: memory", "+64 MiB at most", f"{grown / MEBIBYTE:+.0f} MiB"))
    assert grown <= 64 * MEBIBYTE


async def _has_history(wire: Wire) -> bool:
    return "messages" in await wire.ask("chat:history", {"room": "sala-2", "limit": 1})


async def test_an_answer_is_bounded_however_long_the_messages_are(target: Target, expect: Expect) -> None:
    ana = target.user()
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": "sala-1"})
        for _ in range(60):
            body = {"id": str(uuid.uuid4()), "text": LONGEST, "room": "sala-1"}
            assert (await ask(target, post("/api/chat/send", body, ana.bearer))).status == 200
        sizes = []
        for event, payload in (
            ("chat:history", {"room": "sala-1", "limit": 200}),
            ("chat:history", {"room": "sala-1", "limit": 200, "after": 0}),
            ("chat:join", {"room": "sala-1"}),
            ("chat:join", {"room": "sala-1", "after": 0}),
        ):
            wire.say(f"4277{json.dumps([event, payload])}")
            sizes.append(len((await wire.until("4377[")).encode()))
    expect([True] * 4, [size < 300_000 for size in sizes])


async def test_a_crowd_of_guests_that_comes_and_goes(target: Target, expect: Expect) -> None:
    """Two hundred connects, each cut off without a goodbye: nothing of them stays."""
    connections = target.metric("pulso_connections")
    rui = [target.guest() for _ in range(25)]

    async def come_and_go(who: Account) -> None:
        for _ in range(8):
            async with welcomed(target, who):
                pass

    visits: list[Awaitable[None]] = [come_and_go(who) for who in rui]
    await asyncio.gather(*visits)
    expect(True, await eventually(lambda: target.metric("pulso_connections") <= connections))


@pytest.mark.long
async def test_more_sockets_than_an_address_may_have(target: Target, expect: Expect) -> None:
    """A hundred guests at one address have a thousand sockets; one more is refused there, and let in elsewhere."""
    crowded, elsewhere = "127.9.9.9", "127.9.9.10"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(100):
            who = target.guest()
            for _ in range(10):
                await stack.enter_async_context(welcomed(target, who, source=crowded))
        rui = target.guest()
        seen = []
        for source in (crowded, elsewhere):
            async with opened(target, source=source) as wire:
                wire.say(connect(rui.token))
                seen.append(str(await wire.packet())[:24])
    expect(['44{"message":"rate_limit', '40{"sid"'], [seen[0], seen[1][:8]])


async def test_pings_that_are_never_read(target: Target, expect: Expect) -> None:
    """WebSocket's own pings ask for an answer each: those that nobody reads are not kept."""
    async with welcomed(target, target.guest(), receive_bytes=DEAF) as wire:
        memory = target.memory_bytes()
        ping = frame(bytes(125), PING, mask=bytes(4)) * 500
        with contextlib.suppress(TimeoutError):  # the server may well stop reading, too
            for _ in range(80):
                wire.send(ping)
                await asyncio.wait_for(wire.writer.drain(), 3)
        grown = target.memory_bytes() - memory
    expect(True, grown <= 16 * MEBIBYTE)


async def test_a_socket_that_is_cut_off_while_it_is_answered(target: Target, expect: Expect) -> None:
    for _ in range(20):
        async with welcomed(target, target.guest()) as wire:
            wire.say(*[f'42{number}["numbers:fibonacci",{{"n":20000}}]' for number in range(20)])
    async with welcomed(target, target.guest()) as wire:
        packet = await wire.ask("numbers:fibonacci", {"n": 10}, within_s=10)
        assert not isinstance(packet, Closed)
    expect("55", packet["value"])
