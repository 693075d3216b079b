"""Made-up and mutated frames by the ten thousand: the socket is closed or goes on, at once, and nothing breaks.

The short form repeats the same examples each time; the long one draws new ones and is part of `make abuse`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.abuse.conftest import Report
from tests.abuse.polling import POLLING, open_polling, poll
from tests.abuse.target import Account, Target
from tests.cases import Case
from tests.raw_http import ANSWERED_WITHIN_S, ask, request
from tests.raw_websocket import (
    BINARY,
    CONT,
    FIN,
    PING,
    PONG,
    TEXT,
    WAITS_S,
    Closed,
    connect,
    frame,
    length,
    opened,
    unmasked,
)

HARMLESS: Final = 16
"""Frames of a conversation that leave the socket open, whatever is in them: the server reads all of these, and one
behind them at the least."""
SHORT, LONG = 2_000, 60_000
PAYLOADS_SHORT, PAYLOADS_LONG = 800, 10_000
LONGEST: Final = 1 << 20
CLOSE_CODES: Final = frozenset({1000, 1002, 1007, 1008, 1009})
"""What a conversation may end with, besides a code of the client's own: no 1011, which is a fault of ours."""
NAMES: Final = (
    "numbers:set", "numbers:even", "numbers:odd", "numbers:watch", "numbers:unwatch", "numbers:fibonacci",
    "presence:list", "presence:watch", "chat:rooms", "chat:join", "chat:leave", "chat:send", "chat:typing",
    "chat:history", "journal:messages", "sales:records", "sales:summary", "sales:watch", "clock:now", "auth:me",
    "ops:status", "numbers:connected", "connect", "disconnect", "__proto__", "", "x" * 200,
)  # fmt: skip
KEYS: Final = (
    "value", "n", "room", "after", "before", "limit", "id", "text", "files", "typing", "minutes", "user", "event",
    "_placeholder", "num", "__proto__", "", "token",
)  # fmt: skip
LITERALS: Final = (
    "NaN", "-Infinity", "1e999", "-0", "00", "9223372036854775808", "-1", "1.5", '"\\ud800"', '"sala-1"', "true",
    "null", "[]", "{}", '{"_placeholder":true,"num":0}', '{"a":1,"a":2}', "[" * 40 + "]" * 40, "\u0663", "'x'", "",
    '"' + "x" * 5000 + '"', '"8b6a1c9e-4d2f-4c3b-9a5e-7f1d2c3b4a59"', "9" * 400,
)  # fmt: skip

WITH_ATTACHMENT: Final = '451-7["x",{"_placeholder":true,"num":0}]'
ODD: Final = '427["\\u006eumbers:set",{"value":1}]'

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=6,
)
arguments = st.builds(json.dumps, values, ensure_ascii=st.booleans()) | st.sampled_from(LITERALS)
objects = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(LITERALS) | arguments, max_size=4).map(
    lambda pairs: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}"
)
acks = st.just("") | st.integers(0, 10**17).map(str) | st.sampled_from(["-1", "007", "1.5", "\u0661"])
namespaces = st.just("") | st.sampled_from(["/,", "/admin,", "/__proto__,", "/" + "x" * 300 + ",", "//?a=b,", "/"])
plain = st.builds(
    lambda ack, name, args: f'42{ack}["{name}"{args}]',
    st.just("") | st.integers(0, 10**16 - 1).map(str),
    st.sampled_from(NAMES[:-2]),
    st.just("") | (objects | arguments | st.text(max_size=30)).map(",{}".format),
)
"""What the gateway takes apart unread: the services get what is in it, JSON or not."""
harmless = plain | plain | plain | st.sampled_from(["3", "5", "6", "43999[1]", "40/x,", "42[1]", '450-["x"]', ODD])
events = st.builds(
    lambda kind, space, ack, name, args: f"4{kind}{space}{ack}[{','.join([json.dumps(name), *args])}]",
    st.sampled_from(["2", "51-", "50-", "52-", "3", "61-"]),
    namespaces,
    acks,
    st.sampled_from(NAMES) | st.text(max_size=10),
    st.lists(objects | arguments, max_size=3),
)
others = st.sampled_from(
    ["40", "40{}", "41", "44{}", "2", "2probe", "1", "0{}", "bAAAA", "4", "", "42[]", "459-[]", '42["connect"]']
)
nonsense = st.text(st.sampled_from('0123456789-/,[]{}"a\\:._ \x00\u0663'), max_size=40).map("4{}".format)
packets = plain | events | events | others | nonsense


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good packet's bytes with a few of them changed."""
    data = bytearray(draw(events).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["flip", "insert", "drop", "repeat", "cut"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif how == "drop":
            del data[at : at + 1]
        elif how == "repeat":
            data[at:at] = data[at : at + 10] * draw(st.integers(1, 20))
        else:
            del data[at:]
    return bytes(data)


def encoded(packet: str) -> bytes:
    return packet.encode("utf-8", "surrogatepass")


def in_pieces(packet: str, at: int, between: bytes) -> bytes:
    """One message in two frames, with a ping between them."""
    data = encoded(packet)
    return frame(data[:at], first=TEXT) + frame(between, PING) + frame(data[at:], CONT)


harmless_frames = st.one_of(
    harmless.map(frame),
    harmless.map(frame),
    st.builds(in_pieces, plain, st.integers(0, 20), st.binary(max_size=125)),
    st.builds(lambda data: frame(data, PONG), st.binary(max_size=125)),
    st.binary(max_size=300).map(
        lambda data: frame('451-7["x",{"_placeholder":true,"num":0}]') + frame(data, BINARY)
    ),
)
text_frames = packets.map(lambda packet: frame(encoded(packet)))
mutated_frames = mutated().map(frame)
binary_frames = st.binary(max_size=200).map(lambda data: frame(data, BINARY))
headers = st.builds(
    lambda first, payload, mask: frame(payload, first=first, mask=mask),
    st.integers(0, 255) | st.sampled_from([FIN | 0x8, FIN | 0x9, FIN | 0xA, 0x00, 0x01, FIN]),
    st.binary(max_size=130),
    st.binary(min_size=4, max_size=4),
)
lengths = st.builds(
    lambda opcode, size, payload: bytes((FIN | opcode,)) + length(size, 0x80) + bytes(4) + payload,
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.integers(0, 2000) | st.sampled_from([65_535, 65_536, LONGEST, LONGEST + 1, 1 << 31, (1 << 63) - 1]),
    st.binary(max_size=50),
)
frames = st.one_of(
    *[text_frames] * 6, *[mutated_frames] * 3, binary_frames, headers, lengths, st.binary(max_size=20),
    st.binary(max_size=50).map(unmasked),
)  # fmt: skip
conversations = st.builds(
    lambda first, then: b"".join(first + then),
    st.lists(harmless_frames, min_size=HARMLESS, max_size=HARMLESS),
    st.lists(frames, min_size=1, max_size=4),
)
payloads = st.builds(
    lambda first, then: b"\x1e".join(first + then),
    st.lists(harmless.map(encoded), min_size=HARMLESS, max_size=HARMLESS),
    st.lists(packets.map(encoded) | mutated(), max_size=1),
)


def lacking(data: bytes) -> int:
    """How many bytes the last frame of these still lacks: a server waits for them, and may."""
    at = 0
    while at < len(data):
        rest = data[at : at + 14]
        if len(rest) < 2:
            return 2 - len(rest) + 4
        size, more = rest[1] & 0x7F, {126: 2, 127: 8}.get(rest[1] & 0x7F, 0)
        head = 2 + more + (4 if rest[1] & 0x80 else 0)
        if len(rest) < head:
            return head - len(rest) + 126
        if more:
            size = int.from_bytes(rest[2 : 2 + more], "big")
        at += head + size
    return at - len(data)


async def converse(target: Target, who: Account, data: bytes) -> str:
    """Say all of this, and an event behind it: how that ended. Fails where that is a fault of ours."""
    async with opened(target) as wire:
        wire.say(connect(who.token))
        await wire.until('40{"sid"')
        wire.send(data)
        missing = lacking(data)
        if missing <= LONGEST:
            wire.send(bytes(missing))
        wire.say('4299999["clock:now"]')
        while not isinstance(packet := await wire.packet(), Closed):
            assert '"internal"' not in str(packet), packet
            if str(packet).startswith("4399999["):
                return "goes on"
    assert packet.code != 1011, data
    return str(packet) if packet.code in CLOSE_CODES else "closed otherwise"


async def post_payload(target: Target, who: Account, body: bytes) -> str:
    """Post it in a polling session: the answer's status. Fails where that is a fault of ours."""
    sid = await open_polling(target)
    path = f"{POLLING}&sid={sid}"
    assert (await ask(target, request("POST", path, {}, connect(who.token).encode()))).status == 200
    answer = await ask(target, request("POST", path, {}, body), within_s=WAITS_S)
    assert answer.status in (200, 400), answer
    if answer.status == 200 and b"\x1e1" not in b"\x1e" + body:
        assert b'"internal"' not in (await poll(target, sid)).body
        await ask(target, request("POST", path, {}, b"1"))
    return str(answer.status)


Speak = Callable[[Target, Account, bytes], Coroutine[Any, Any, str]]


def fuzz(
    strategy: st.SearchStrategy[bytes], examples: int, speak: Speak, target: Target, *, anew: bool
) -> Counter[str]:
    """Say each example; how many ended how, and `late` for those that took more than 2 s.

    A failing one is shrunk before it is shown. The short forms run beside whatever else a machine does: there
    nobody is late.
    """
    seen: Counter[str] = Counter()
    who = target.guest()
    with asyncio.Runner() as runner:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=not anew,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def say(data: bytes) -> None:
            began = time.monotonic()
            seen[runner.run(speak(target, who, data))] += 1
            seen["late"] += anew and time.monotonic() - began > ANSWERED_WITHIN_S

        say()
    return +seen


def told(seen: Counter[str]) -> str:
    return ", ".join(f"{count} {how}" for how, count in sorted(seen.items()))


def fuzz_frames(target: Target, report: Report, count: int, *, anew: bool) -> None:
    seen = fuzz(conversations, count // (HARMLESS + 1), converse, target, anew=anew)
    report(
        Case(f"{count:,} fuzzed frames, {HARMLESS + 1} a socket", "goes on, or closed with its code", told(seen))
    )
    assert {"goes on", "closed 1002"} <= seen.keys()
    assert not seen["late"]


def fuzz_payloads(target: Target, report: Report, count: int, *, anew: bool) -> None:
    seen = fuzz(payloads, count // HARMLESS, post_payload, target, anew=anew)
    report(Case(f"{count:,} fuzzed packets in polling payloads", "200 or 400", told(seen)))
    assert "200" in seen
    assert seen.keys() <= {"200", "400"}


def test_fuzzed_frames(target: Target, report: Report) -> None:
    fuzz_frames(target, report, SHORT, anew=False)


def test_fuzzed_payloads(target: Target, report: Report) -> None:
    fuzz_payloads(target, report, PAYLOADS_SHORT, anew=False)


@pytest.mark.long
@pytest.mark.usefixtures("steady")
def test_fuzzed_frames_by_the_ten_thousand(target: Target, report: Report) -> None:
    fuzz_frames(target, report, LONG, anew=True)


@pytest.mark.long
@pytest.mark.usefixtures("steady")
def test_fuzzed_payloads_by_the_ten_thousand(target: Target, report: Report) -> None:
    fuzz_payloads(target, report, PAYLOADS_LONG, anew=True)
