"""Rooms that one is not in, messages and files of others, and what only admins may ask for."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import ask, post, request
from tests.raw_websocket import Wire, welcomed

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
ROOM, ELSEWHERE = "sala-1", "sala-2"


def code(answer: Any) -> str:
    """Of an ack: its error's, or ok."""
    return str(answer["error"]["code"]) if "error" in answer else "ok"


def message(**more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "text": "olá", **more}


async def upload(target: Target, who: Account) -> str:
    """The id of a new file."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="cat.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x", **who.bearer}
    answer = await ask(target, request("POST", "/api/chat/files", headers, body))
    assert answer.status == 201, answer.body
    return str(answer.json["files"][0]["id"])


@contextlib.asynccontextmanager
async def member(target: Target, who: Account, room: str = ROOM) -> AsyncIterator[Wire]:
    async with welcomed(target, who) as wire:
        assert code(await wire.ask("chat:join", {"room": room})) == "ok"
        yield wire


@pytest.fixture(scope="module")
def ana(target: Target) -> Account:
    return target.user()


@pytest.fixture(scope="module")
def rui(target: Target) -> Account:
    return target.user()


IN_A_ROOM: dict[str, dict[str, Any]] = {
    "chat:send": message(),
    "chat:typing": {"typing": True},
    "chat:history": {"room": ROOM},
}
OF_MEMBERS: dict[str, dict[str, Any]] = {
    **IN_A_ROOM, "chat:rooms": {}, "chat:join": {"room": ROOM}, "chat:leave": {},
    "journal:messages": {}, "ops:status": {}, "ops:watch": {},
}  # fmt: skip
FOREIGN: dict[str, tuple[str, dict[str, Any], str]] = {
    "a message to another room": ("chat:send", message(room=ROOM), "forbidden"),
    "the history of another room": ("chat:history", {"room": ROOM}, "forbidden"),
    "the history of a room that is not there": ("chat:history", {"room": "nowhere"}, "not_found"),
    "the history of a path": ("chat:history", {"room": "../sala-1"}, "not_found"),
    "the history of a topic": ("chat:history", {"room": "chat.room.sala-1"}, "not_found"),
    "the history of a pattern": ("chat:history", {"room": "sala-*"}, "not_found"),
    "the history of a room with NUL": ("chat:history", {"room": "sala-1\0"}, "not_found"),
    "the history of SQL": ("chat:history", {"room": "' OR 1=1 --"}, "not_found"),
    "the history of 10 KB": ("chat:history", {"room": "x" * 10_240}, "bad_request"),
    "the history from before the beginning": ("chat:history", {"room": ELSEWHERE, "before": -1}, "bad_request"),
    "the history up to 2^63": ("chat:history", {"room": ELSEWHERE, "before": 2**63}, "bad_request"),
    "the history of 10^9 messages": ("chat:history", {"room": ELSEWHERE, "limit": 10**9}, "bad_request"),
    "entering a room that is not there": ("chat:join", {"room": "nowhere"}, "not_found"),
    "entering a room in another case": ("chat:join", {"room": "SALA-1"}, "not_found"),
    "entering a room with a space": ("chat:join", {"room": "sala-1 "}, "not_found"),
    "entering a room of look-alikes": ("chat:join", {"room": "s\u0430la-1"}, "not_found"),
    "entering another user's own topic": ("chat:join", {"room": "user.u_root"}, "not_found"),
    "entering with a sequence number of 2^63": ("chat:join", {"room": ELSEWHERE, "after": 2**63}, "bad_request"),
    "a message with no content": ("chat:send", message(text="  "), "bad_request"),
    "a message with an id that is none": ("chat:send", {"id": "1", "text": "x"}, "bad_request"),
    "a message with an id and a line feed": ("chat:send", {"id": f"{uuid.uuid4()}\n", "text": "x"}, "bad_request"),
    "a message in another's name": ("chat:send", message(author={"id": "u_root", "name": "Root"}), "bad_request"),
    "a message with a number of its own": ("chat:send", message(seq=1), "bad_request"),
    "a message with a file that is not there": ("chat:send", message(files=["chat-0"]), "not_found"),
    "a message with a file named by a path": ("chat:send", message(files=["../../etc/passwd"]), "not_found"),
    "a message with 1,001 files": ("chat:send", message(files=["x"] * 1001), "bad_request"),
    "a message with the same file twice": ("chat:send", message(files=["x", "x"]), "bad_request"),
}


@pytest.mark.parametrize(("event", "payload", "expected"), FOREIGN.values(), ids=FOREIGN)
async def test_a_member_of_one_room_asks_for(
    target: Target, rui: Account, event: str, payload: dict[str, Any], expected: str, expect: Expect
) -> None:
    async with member(target, rui, ELSEWHERE) as wire:
        expect(expected, code(await wire.ask(event, payload)))


@pytest.mark.parametrize(
    ("event", "payload"),
    IN_A_ROOM.items(),
    ids=IN_A_ROOM,
)
async def test_after_leaving_it_is_forbidden_to_use(
    target: Target, rui: Account, event: str, payload: dict[str, Any], expect: Expect
) -> None:
    async with member(target, rui) as wire:
        assert await wire.ask("chat:leave") == {}
        expect("forbidden", code(await wire.ask(event, payload)))


@pytest.mark.parametrize(
    ("event", "payload"),
    OF_MEMBERS.items(),
    ids=OF_MEMBERS,
)
async def test_a_guest_asks_for(target: Target, event: str, payload: dict[str, Any], expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        expect("forbidden", code(await wire.ask(event, payload)))


@pytest.mark.parametrize("event", ["journal:messages", "ops:status", "ops:watch", "ops:unwatch", "sales:source"])
async def test_somebody_who_is_no_admin_asks_for(target: Target, ana: Account, event: str, expect: Expect) -> None:
    async with welcomed(target, ana) as wire:
        expect("forbidden", code(await wire.ask(event, {})))


async def test_a_message_sent_50_times_at_once_is_one(target: Target, ana: Account, expect: Expect) -> None:
    """Over five sockets, each of which takes no more than its rate."""
    body = message(text="once")
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(member(target, ana)) for _ in range(5)]
        for wire in wires:
            wire.say(*[f"42{number}{json.dumps(['chat:send', body])}" for number in range(10)])
        answers = [await wire.ack(number) for wire in wires for number in range(10)]
        history = await wires[0].ask("chat:history", {"room": ROOM})
    stored = [one["text"] for one in history["messages"] if one["id"] == body["id"]]
    expect((1, ["once"]), (len({answer["seq"] for answer in answers}), stored))


async def test_the_same_id_with_another_text(target: Target, ana: Account, expect: Expect) -> None:
    body = message()
    async with member(target, ana) as wire:
        first = await wire.ask("chat:send", body)
        other = await wire.ask("chat:send", {**body, "text": "something else"})
        again = await wire.ask("chat:send", body)
    expect(("conflict", first["seq"], "olá"), (code(other), again["seq"], again["text"]))


async def test_another_persons_message_id(target: Target, ana: Account, rui: Account, expect: Expect) -> None:
    body = message()
    async with member(target, ana) as of_ana, member(target, rui) as of_rui:
        assert code(await of_ana.ask("chat:send", body)) == "ok"
        expect("conflict", code(await of_rui.ask("chat:send", body)))


async def test_another_persons_file(target: Target, ana: Account, rui: Account, expect: Expect) -> None:
    """It is refused, and its owner can still send it, once."""
    file = await upload(target, ana)
    async with member(target, ana) as of_ana, member(target, rui) as of_rui:
        stolen = await of_rui.ask("chat:send", message(files=[file]))
        sent = await of_ana.ask("chat:send", message(files=[file]))
        again = await of_ana.ask("chat:send", message(files=[file]))
    expect(["forbidden", "ok", "conflict"], [code(stolen), code(sent), code(again)])


async def test_a_file_sent_by_ten_messages_at_once_belongs_to_one(
    target: Target, ana: Account, expect: Expect
) -> None:
    file = await upload(target, ana)
    async with member(target, ana) as wire:
        wire.say(*[f"42{n}{json.dumps(['chat:send', message(files=[file])])}" for n in range(10)])
        acks = [await wire.until("43") for _ in range(10)]  # refusals may overtake results
        codes = [code(json.loads(ack[ack.index("[") :])[0]) for ack in acks]
    expect((1, 9), (codes.count("ok"), codes.count("conflict")))


async def test_nothing_of_a_room_reaches_somebody_outside(
    target: Target, ana: Account, rui: Account, expect: Expect
) -> None:
    """Neither messages nor typing nor files, of whatever the outsider asked for before."""
    file = await upload(target, ana)
    async with member(target, rui) as outside, member(target, ana) as inside:
        await outside.ask("chat:leave")
        for event, payload in (("chat:history", {"room": ROOM}), ("chat:send", message(room=ROOM))):
            assert code(await outside.ask(event, payload)) == "forbidden"
        await inside.ask("chat:typing", {"typing": True})
        sent = await inside.ask("chat:send", message(text="a secret", files=[file]))
        url = sent["files"][0]["url"]
        outside.say('4299["numbers:set",{"value":1}]')
        heard = []
        while not str(packet := await outside.packet()).startswith("4399["):
            heard.append(str(packet))
    expect([], [one for one in heard if "secret" in one or url in one or '"typing"' in one])


async def test_the_same_over_http_is_refused_too(
    target: Target, ana: Account, rui: Account, expect: Expect
) -> None:
    body = message()
    async with member(target, ana), member(target, rui, ELSEWHERE):
        sent = await ask(target, post("/api/chat/send", {**body, "room": ROOM}, rui.bearer))
        read = await ask(target, request("GET", f"/api/chat/history?room={ROOM}", rui.bearer))
    expect(["403 forbidden", "403 forbidden"], [str(sent), str(read)])


async def test_entering_20_rooms_at_once_ends_in_one(target: Target, rui: Account, expect: Expect) -> None:
    """In all tabs the same, and the others see one of it."""
    async with welcomed(target, rui) as first, welcomed(target, rui) as second:
        for number in range(20):
            wire = (first, second)[number % 2]
            wire.say(f'42{number}["chat:join",{{"room":"sala-{number % 3 + 1}"}}]')
        for number in range(20):
            assert code(await (first, second)[number % 2].ack(number)) == "ok"
        rooms = await first.ask("chat:rooms")
        seen = [code(await wire.ask("chat:history", {"room": rooms["current"]})) for wire in (first, second)]
    expect(["ok", "ok"], seen)
