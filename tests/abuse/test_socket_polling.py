"""Polls, posts and upgrades that no client should send."""

from __future__ import annotations

import asyncio

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.polling import POLLING, is_alive, poll, polling, post
from tests.abuse.target import Target
from tests.raw_http import connected, request
from tests.raw_websocket import PATH, WAITS_S, Refused, handshake
from tests.waiting import eventually


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x1e", b"\x1e" * 1000, b"abc", b"4", b"0{}", b"2", b"2probe", b"7", b"b", b"b!!!!", b"bAAAA",
        b"\xff\xfe",
        b"4\xed\xa0\x80", b"\x00", b"42", b"42[", b"40", b'3\x1e42["numbers:set"', b"[" * 100_000, b'8:42["xy"]',
        b'{"token":1}', b"d=42%5B%5D", b"42" + b"[" * 300_000, b"b" + b"A" * 400_000,
        b"--x\r\nContent-Disposition: form-data\r\n\r\n42\r\n--x--",
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_a_post_of_garbage(target: Target, body: bytes, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    answer = await post(target, sid, body)
    expect((400, False), (answer.status, await is_alive(target, sid)))


@pytest.mark.parametrize("size", [(1 << 20) + 1, 4 << 20], ids=["1 MiB and a byte", "4 MiB"])
async def test_a_post_that_is_too_large_is_answered(target: Target, size: int, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    answer = await post(target, sid, b"4" + b"x" * size)
    expect((413, False), (answer.status, await is_alive(target, sid)))


async def test_a_post_in_chunks_that_is_too_large_is_answered(target: Target, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    async with connected(target) as connection:
        await connection.send(request("POST", f"{POLLING}&sid={sid}", {"Transfer-Encoding": "chunked"}))
        for _ in range(20):
            await connection.send(b"10000\r\n" + b"4" * 65_536 + b"\r\n")
        answer = await connection.answer()
    expect((413, False), (answer.status, await is_alive(target, sid)))


async def test_two_polls_at_once(target: Target, expect: Expect) -> None:
    """The protocol has it so: the session is over, because one of the two is not its client's."""
    sid = await polling(target, target.guest())
    answers = await asyncio.gather(*(poll(target, sid, within_s=WAITS_S) for _ in range(2)))
    statuses = sorted(answer.status for answer in answers)
    expect((400, False), (statuses[-1], await is_alive(target, sid)))


async def test_two_posts_at_once(target: Target, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    async with connected(target) as slow:
        await slow.send(request("POST", f"{POLLING}&sid={sid}", {"Content-Length": "2"}, b"3"))
        # The first one has been taken once a second one is refused; before, its headers may be under way.
        await eventually(lambda: _is_refused(target, sid))
    expect(False, await is_alive(target, sid))


async def _is_refused(target: Target, sid: str) -> bool:
    return (await post(target, sid, b"3")).status == 400


async def test_10000_packets_in_one_payload(target: Target, expect: Expect) -> None:
    """Far more than anybody may send: answered at once, and nobody waits for it."""
    sid = await polling(target, target.guest())
    answer = await post(target, sid, b"\x1e".join([b'427["numbers:set",{"value":1}]'] * 10_000))
    expect((400, False), (answer.status, await is_alive(target, sid)))


@pytest.mark.parametrize("packet", ["3", "42[1]", "431[]", "40/x,", "6", "42[]"])
async def test_a_payload_of_the_smallest_packets(target: Target, packet: str, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    body = "\x1e".join([packet] * ((1 << 20) // (len(packet) + 1)))
    expect(400, (await post(target, sid, body.encode())).status)


async def test_1000_packets_in_one_payload_are_answered_each(target: Target, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    body = "\x1e".join(f'42{number}["numbers:set",{{"value":1}}]' for number in range(1000))
    assert (await post(target, sid, body.encode())).status == 200
    answers: list[str] = []
    while len(answers) < 1000:
        said = (await poll(target, sid)).body.decode().split("\x1e")
        answers += [one for one in said if one.startswith("43")]
    refused = sum("rate_limited" in one for one in answers)
    expect((1000, True), (len(answers), 900 <= refused <= 960))


# Upgrades.


@pytest.mark.parametrize("first", ["5", "2", "3probe", "2probe ", "40", '42["numbers:set",{"value":1}]', ""])
async def test_an_upgrade_that_begins_with_something_else(target: Target, first: str, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    wire = await handshake(target, path=f"{PATH}&sid={sid}")
    wire.say(first)
    ended = await wire.ended()
    expect(("closed 1002", True), (str(ended), await is_alive(target, sid)))


async def test_two_upgrades_at_once(target: Target, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    wire = await handshake(target, path=f"{PATH}&sid={sid}")
    with pytest.raises(Refused) as refused:
        await handshake(target, path=f"{PATH}&sid={sid}")
    wire.say("2probe", "5", '427["numbers:set",{"value":5}]')
    expect((400, {"value": 5}), (refused.value.args[0], await wire.ack(7)))
    wire.cut()


async def test_a_poll_after_the_upgrade(target: Target, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    wire = await handshake(target, path=f"{PATH}&sid={sid}")
    wire.say("2probe", "5", '427["numbers:set",{"value":5}]')
    assert await wire.ack(7) == {"value": 5}
    seen = [(await poll(target, sid)).status, (await post(target, sid, b"3")).status]
    expect(([400, 400], {"value": 6}), (seen, await wire.ask("numbers:set", {"value": 6})))
    wire.cut()
