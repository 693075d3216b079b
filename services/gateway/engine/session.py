"""One client, from its handshake to its end, whatever transport carries it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from pulso.tasks import Tasks
from services.gateway import metrics
from services.gateway.engine import packets
from services.gateway.engine.allowance import Allowance
from services.gateway.engine.endings import (
    CLIENT_DISCONNECT,
    INTERNAL_ERROR,
    NORMAL,
    PING_TIMEOUT,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    SERVER_DISCONNECT,
    TRANSPORT_CLOSE,
    TRANSPORT_ERROR,
)
from services.gateway.engine.transport import Transport
from services.gateway.engine.turn import TurnEnd
from services.gateway.engine.wheel import Wheel

Work = Awaitable[None] | None
"""What a handler answers: None where it is done."""
OnMessage = Callable[[str, str | bytes], Work]
Lane = Callable[[bytes], bool]
OnDisconnect = Callable[[str, str], Work]

log = structlog.get_logger(__name__)


def _ignored(_session_id: str, _given: str | bytes) -> Work:
    """What a server does whose owner does not care."""
    return None


@dataclass(slots=True)
class Shared:
    """What the sessions of one server have in common."""

    ping_interval_s: float
    ping_timeout_s: float
    tasks: Tasks
    on_message: OnMessage = _ignored
    on_disconnect: OnDisconnect = _ignored
    packets_per_second: float = 0.0
    """What a client may send on average, packets of all types, and twice that at once; 0: no limit."""
    sessions: dict[str, Session] = field(default_factory=dict)
    turn_end: TurnEnd = field(default_factory=TurnEnd)
    tick_s: float = field(init=False)
    heart: Wheel[Session] = field(init=False)

    def __post_init__(self) -> None:
        self.tick_s = min(self.ping_interval_s, self.ping_timeout_s) / 100
        self.heart = Wheel(self.tick_s, Session.beat)


class Session:
    """Its handlers run one at a time, in the order of the packets, the disconnect handler last and exactly once.

    A handler that answers None is done and costs no task; for one that answers an awaitable the session is busy
    until it has ended, and what arrives meanwhile waits.
    """

    __slots__ = (
        "_allowance", "_arrived", "_awaits_pong", "_busy", "_due_at", "_end", "_outbox", "_settled", "_shared",
        "_transport", "closed", "id", "lane",
    )  # fmt: skip

    def __init__(self, session_id: str, shared: Shared, transport: Transport) -> None:
        self.id = session_id
        self.closed = False
        self.lane: Lane | None = None
        """Where texts may go past all that follows here: it answers whether it has taken one. It is never busy."""
        self._shared = shared
        self._transport = transport
        self._outbox: list[bytes] = []
        self._arrived: deque[str | bytes] | None = None
        self._settled: asyncio.Future[None] | None = None
        self._end: str | None = None
        self._busy = False
        self._awaits_pong = False
        now = asyncio.get_running_loop().time()
        self._allowance = Allowance(shared.packets_per_second, now)
        self._due_at = now + shared.ping_interval_s
        shared.sessions[session_id] = self
        shared.heart.put(self, shared.ping_interval_s)

    @property
    def transport(self) -> Transport:
        return self._transport

    def send(self, frame: bytes) -> None:
        """Queue a frame; it leaves with all others of this turn of the loop. Never waits, keeps the order."""
        if self.closed:
            return
        turn_end, outbox = self._shared.turn_end, self._outbox
        if turn_end.put_off:
            turn_end.settle()
        if not outbox:
            turn_end.add(self)
        outbox.append(frame)

    def broadcast(self, frame: bytes, to: Sequence[Session]) -> None:
        """As `send` of each of these, all of one server."""
        self._shared.turn_end.broadcast(frame, to)

    def flush(self) -> None:
        frames = self._outbox
        if not frames or self.closed:
            return
        self._outbox = []
        transport = self._transport
        if not (transport.take_one(frames[0]) if len(frames) == 1 else transport.take(frames)):
            self._too_slow()

    def flush_with(self, frame: bytes) -> None:
        """This frame after those that are queued, at once where there are none."""
        if self._outbox:
            self._outbox.append(frame)
            self.flush()
        elif not self.closed and not self._transport.take_one(frame):
            self._too_slow()

    def _too_slow(self) -> None:
        metrics.SLOW_CLOSES.inc()
        log.info("closed a client that does not read", session=self.id)
        self._transport.abort()
        self._ended(TRANSPORT_ERROR)

    def upgrade(self, transport: Transport) -> None:
        """Section "Upgrade": from now on this transport carries what the other one did."""
        self._transport = transport

    def receive_text(self, packet: bytes) -> bool:
        """A packet in text that nobody has looked at yet; False where it is to go through `receive`."""
        lane = self.lane  # None where it is closed, too
        if lane is None or self._busy or self._allowance.left < 1:
            return False
        try:
            is_taken = lane(packet)
        except Exception:  # as in `_message`
            self._failed()
            return True
        if is_taken:
            self._allowance.left -= 1
        return is_taken

    def receive_others(self, count: int) -> None:
        """So many frames that hold no packet of their own: they count as packets, for they cost as much."""
        self._allowance.left -= count
        if self._allowance.left < 0 and not self.closed:
            self._is_flood(count)

    def receive(self, packet: str | bytes) -> None:
        """One packet of the client's, as the transport took it apart."""
        self._allowance.left -= 1
        if self.closed or (self._allowance.left < 0 and self._is_flood()):
            return
        if isinstance(packet, bytes):
            self._message(packet)
            return
        kind = packet[:1]
        if kind == packets.MESSAGE:
            self._message(packet[1:])
        elif kind == packets.PONG:
            self._awaits_pong = False
            self._due_at = asyncio.get_running_loop().time() + self._shared.ping_interval_s
        elif kind == packets.CLOSE:
            self._shared.turn_end.settle()
            self.flush()
            if not self.closed:
                self._transport.closed_by_client()
                self._ended(CLIENT_DISCONNECT)
        elif kind == packets.BASE64:
            self._base64(packet)
        elif kind not in {packets.NOOP, packets.UPGRADE}:  # an OPEN, a PING (a server's packets), or nonsense
            self.close(PROTOCOL_ERROR, TRANSPORT_ERROR)

    def lost(self, reason: str = TRANSPORT_CLOSE) -> None:
        """The transport is gone. What has arrived before is still handled."""
        if not self.closed:
            self._ended(reason)

    def close(self, code: int = NORMAL, reason: str = SERVER_DISCONNECT) -> None:
        """End it from this side: what is queued is sent, what has arrived and is not handled yet is not."""
        if self.closed:
            return
        self._shared.turn_end.settle()
        self.flush()
        if not self.closed:
            if self._arrived is not None:
                self._arrived.clear()
            self._transport.close(code)
            self._ended(reason)

    def run(self, work: Awaitable[None]) -> None:
        """Be busy with this until it has ended."""
        self._busy = True
        self._shared.tasks.spawn(self._work(work), "session")

    async def settled(self) -> None:
        """Returns once nothing that has arrived waits to be handled."""
        if self._busy:
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    def beat(self) -> float | None:
        """Section "Heartbeat": ping, wait for the pong, and so on. In how many seconds to look again."""
        if self.closed:
            return None
        shared = self._shared
        now = asyncio.get_running_loop().time()
        if self._due_at - now > shared.tick_s:
            return self._due_at - now
        if self._awaits_pong:
            self.close(NORMAL, PING_TIMEOUT)
            return None
        self.send(_PING)
        self._awaits_pong = True
        # Counted from when the ping was due, as the client counts; a ping that was late takes a tenth at most.
        self._due_at = max(self._due_at + shared.ping_timeout_s, now + 0.9 * shared.ping_timeout_s)
        # A pong makes the next ping due; where pings are the more frequent, do not sleep past it.
        return min(self._due_at - now, shared.ping_interval_s)

    def _is_flood(self, came: int = 1) -> bool:
        """Whether it is over now."""
        if not self._allowance.is_exceeded(came, asyncio.get_running_loop().time()):
            return False
        metrics.FLOOD_CLOSES.inc()
        log.info("closed a client that floods", session=self.id)
        self.close(POLICY_VIOLATION, TRANSPORT_ERROR)
        return True

    def _base64(self, packet: str) -> None:
        """By WebSocket, too: the official client's `forceBase64` has it so."""
        try:
            data = packets.decode_base64(packet)
        except packets.Malformed:
            self.close(PROTOCOL_ERROR, TRANSPORT_ERROR)
        else:
            self._message(data)

    def _message(self, data: str | bytes) -> None:
        if self._busy:
            if self._arrived is None:
                self._arrived = deque()
            self._arrived.append(data)
            self._transport.hold()
            return
        try:
            work = self._shared.on_message(self.id, data)
        except Exception:  # a fault of ours must end this session and no other
            self._failed()
            return
        if work is not None:
            self.run(work)

    def _handled(self, handler: Callable[[str, Any], Work], given: str | bytes) -> Work:
        try:
            return handler(self.id, given)
        except Exception:  # as in `_message`
            self._failed()
            return None

    def _failed(self) -> None:
        log.exception("handler failed", session=self.id)
        self.close(INTERNAL_ERROR, TRANSPORT_ERROR)

    def _ended(self, reason: str) -> None:
        self.closed = True
        self._end = reason
        self._outbox = []
        self.lane = None  # it knows a connection that knows this session: neither would go without the collector
        self._shared.sessions.pop(self.id, None)
        if not self._busy:
            work = self._after()
            if work is not None:
                self.run(work)

    def _after(self) -> Work:
        """What is to be done next; None where it is nothing, or nothing that takes time."""
        while self._arrived:
            work = self._handled(self._shared.on_message, self._arrived.popleft())
            if work is not None:
                return work
        if self._end is not None:
            reason, self._end = self._end, None
            return self._handled(self._shared.on_disconnect, reason)
        return None

    async def _work(self, work: Work) -> None:
        while work is not None:
            try:
                await work
            except Exception:  # as in `_message`
                self._failed()
            work = self._after()
        self._busy = False
        self._transport.go_on()
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None


_PING: Final = packets.text_frame(packets.PING.encode())
