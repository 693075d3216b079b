"""One session by itself: order, one handler at a time, the end exactly once, bounded outbox."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulso.tasks import Tasks
from services.gateway.engine import packets
from services.gateway.engine.polling import Polling
from services.gateway.engine.server import EngineServer
from services.gateway.engine.session import Session, Shared
from services.gateway.engine.upgrade import Probing
from services.gateway.engine.websocket import MAX_OUTBOX_BYTES, WebSocket
from tests.services.gateway.engine.conftest import turns
from tests.waiting import eventually


class Carrier:
    """A transport that remembers what it was given."""

    name = "memory"

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.held = self.is_slow = False
        self.code: int | str | None = None

    def take(self, frames: list[bytes]) -> bool:
        self.writes.append(b"".join(frames))
        return not self.is_slow

    def take_one(self, frame: bytes) -> bool:
        return self.take([frame])

    def hold(self) -> None:
        self.held = True

    def go_on(self) -> None:
        self.held = False

    def close(self, code: int) -> None:
        self.code = code

    def closed_by_client(self) -> None:
        self.code = "by client"

    def abort(self) -> None:
        self.code = "aborted"


class Log:
    """Handlers that note what they are given; `gate` holds up messages that start with `wait`."""

    def __init__(self) -> None:
        self.seen: list[str | bytes] = []
        self.gate = asyncio.Event()

    def message(self, _sid: str, data: str | bytes) -> Awaitable[None] | None:
        if data == "fail":
            raise ValueError("on purpose")
        if isinstance(data, str) and data.startswith("wait"):
            return self._wait(data)
        self.seen.append(data)
        return None

    async def _wait(self, data: str) -> None:
        await self.gate.wait()
        self.seen.append(data)

    def disconnect(self, _sid: str, reason: str) -> None:
        self.seen.append(f"end: {reason}")


@pytest.fixture
def events() -> Log:
    return Log()


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
async def session(events: Log, carrier: Carrier) -> AsyncIterator[Session]:
    async with Tasks() as tasks:
        shared = Shared(25.0, 20.0, tasks, events.message, events.disconnect)
        yield Session("s", shared, carrier)
        shared.heart.stop()


async def test_what_is_sent_in_one_turn_leaves_in_one_write(session: Session, carrier: Carrier) -> None:
    for text in ("a", "b", "c"):
        session.send(packets.message_frame(text))
    assert not carrier.writes
    await turns()
    assert carrier.writes == [b"\x81\x024a\x81\x024b\x81\x024c"]


async def test_messages_wait_for_the_handler_before_them(session: Session, events: Log, carrier: Carrier) -> None:
    for packet in ("4one", "4wait two", "4three", b"4"):
        session.receive(packet)
    await turns()
    assert events.seen == ["one"]
    assert carrier.held
    events.gate.set()
    await session.settled()
    assert events.seen == ["one", "wait two", "three", b"4"]
    assert not carrier.held


async def test_the_end_comes_last_and_once(session: Session, events: Log) -> None:
    for packet in ("4wait one", "4two", "1", "4three"):
        session.receive(packet)
    session.lost()
    session.close()
    events.gate.set()
    await eventually(lambda: len(events.seen) == 3)
    assert events.seen == ["wait one", "two", "end: client disconnect"]


async def test_what_the_server_ends_is_not_handled_any_more(session: Session, events: Log) -> None:
    for packet in ("4wait one", "4two"):
        session.receive(packet)
    session.close(1001)
    events.gate.set()
    await eventually(lambda: len(events.seen) == 2)
    assert events.seen == ["wait one", "end: server disconnect"]


async def test_a_handler_that_fails_ends_its_session(session: Session, events: Log, carrier: Carrier) -> None:
    session.receive("4fail")
    assert carrier.code == 1011
    assert events.seen == ["end: transport error"]


async def test_what_is_queued_is_sent_before_a_close(session: Session, carrier: Carrier) -> None:
    session.send(packets.message_frame("last"))
    session.close()
    assert carrier.writes == [b"\x81\x054last"]
    session.send(packets.message_frame("late"))
    await turns()
    assert len(carrier.writes) == 1


async def test_a_client_that_does_not_read_is_aborted(session: Session, events: Log, carrier: Carrier) -> None:
    carrier.is_slow = True
    session.send(packets.message_frame("x"))
    await turns()
    assert carrier.code == "aborted"
    assert events.seen == ["end: transport error"]


async def test_polling_holds_no_more_than_its_bound() -> None:
    polling = Polling()
    frame = packets.message_frame(b"x" * 1000)
    taken = 0
    while polling.take([frame]):
        taken += len(frame)
    assert MAX_OUTBOX_BYTES - len(frame) < taken <= MAX_OUTBOX_BYTES


async def test_what_is_sent_while_the_transport_changes_keeps_its_order(events: Log) -> None:
    """Section "Upgrade": some waits for a poll, some in the outbox of the turn in which the upgrade comes."""
    async with Tasks() as tasks:
        shared = Shared(25.0, 20.0, tasks, events.message, events.disconnect)
        polling, carrier = Polling(), Carrier()
        session = Session("s", shared, polling)
        probing = Probing(session, polling, cast("WebSocket", carrier))
        probing._receive("2probe")
        session.send(packets.message_frame("waits for a poll"))
        session.flush()
        session.send(packets.message_frame("in the outbox"))
        probing._receive("5")
        session.send(packets.message_frame("later"))
        await turns(2)
        told = ("waits for a poll", "in the outbox", "later")
        expected = packets.text_frame(b"3probe") + b"".join(map(packets.message_frame, told))
        assert b"".join(carrier.writes) == expected
        shared.heart.stop()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.sampled_from(["queued", "fast", "turn"]), max_size=30))
async def test_queued_and_fast_lane_packets_keep_their_order(steps: list[str]) -> None:
    """python-socketio's packets and frames that are encoded once share one outbox."""
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        carrier = Carrier()
        session = Session("s", engine._shared, carrier)
        expected = b""
        for number, step in enumerate(steps):
            if step == "turn":
                await turns(2)
                continue
            text = f"{step} {number}"
            expected += packets.message_frame(text)
            if step == "queued":
                engine.send("s", text)
            else:
                session.send(packets.message_frame(text))
        await turns(2)
        assert b"".join(carrier.writes) == expected
        await engine.shutdown()


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.sampled_from(["all", "some", "turn", 0, 1, 2]), max_size=20))
async def test_broadcasts_and_packets_to_one_keep_their_order(steps: list[str | int]) -> None:
    """A turn's first broadcast is put off to the turn's end, and nothing overtakes it."""
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        carriers = [Carrier() for _ in range(3)]
        sessions = [Session(str(number), engine._shared, carrier) for number, carrier in enumerate(carriers)]
        expected = [b""] * 3
        for number, step in enumerate(steps):
            if step == "turn":
                await turns(2)
                continue
            frame = packets.message_frame(f"{step} {number}")
            to = [step] if isinstance(step, int) else range(3) if step == "all" else range(2)
            if isinstance(step, int):
                sessions[step].send(frame)
            else:
                sessions[0].broadcast(frame, [sessions[place] for place in to])
            for place in to:
                expected[place] += frame
        await turns(2)
        assert [b"".join(carrier.writes) for carrier in carriers] == expected
        await engine.shutdown()


async def test_what_was_broadcast_before_a_close_still_goes() -> None:
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        carriers = [Carrier() for _ in range(2)]
        sessions = [Session(str(number), engine._shared, carrier) for number, carrier in enumerate(carriers)]
        sessions[0].broadcast(b"last", sessions)
        sessions[1].close()
        assert carriers[1].writes == [b"last"]
        await turns(2)
        assert [carrier.writes for carrier in carriers] == [[b"last"], [b"last"]]
        await engine.shutdown()


class Follower:
    """Knows a session whose lane knows it, as a connection does."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def takes(self, _packet: bytes) -> bool:
        return True


async def test_what_a_session_knows_is_gone_with_it_without_the_garbage_collector() -> None:
    """Which runs so rarely that thousands of connections would wait for it."""
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        session = Session("s", engine._shared, Carrier())
        follower = Follower(session)
        session.lane = follower.takes
        gone = weakref.ref(follower)
        del follower
        assert session.receive_text(b"42[]")
        session.close()
        assert gone() is None
        assert not session.receive_text(b"42[]")
        await engine.shutdown()
