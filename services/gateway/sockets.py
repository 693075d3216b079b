"""The Socket.IO server: who may connect, and the fast lane for plain events.

python-socketio owns the protocol (namespaces, CONNECT, DISCONNECT), on an engine of ours (`engine/`). A plain
EVENT on `/` does not go through it: event name, ack id and the raw JSON argument are cut out of the packet here
and the bytes go on to the service, which alone decodes them. Nothing else is offered: only `/`, only JSON.
"""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from time import monotonic
from typing import Any, Final

import msgspec
from socketio.exceptions import ConnectionRefusedError as Refused

from pulso.contract import ANONYMOUS
from pulso.errors import ServiceError
from pulso.tasks import Tasks
from pulso.tracing import traceparent
from services.gateway import contract
from services.gateway.connection import Connection
from services.gateway.engine import packets
from services.gateway.engine.endings import GOING_AWAY
from services.gateway.engine.entry import HANDSHAKE
from services.gateway.engine.events import MAX_ACK_DIGITS
from services.gateway.engine.handshake import MoreHeaders
from services.gateway.engine.session import Work
from services.gateway.engine.strict import StrictServer
from services.gateway.hub import Hub
from services.gateway.journal import Journal
from services.gateway.limits import SocketCounts, TokenBucket
from services.gateway.relay import Relay
from services.gateway.sessions import Sessions

MAX_FRAME_BYTES: Final = 1 << 20
"""A frame may be larger than a payload, so that one that is too large is answered instead of cut off."""
PACKETS_PER_EVENT: Final = 100
"""Events beyond the rate are refused and nobody is hurt; with this many times the rate a client is out."""
CONNECT_WITHIN_S: Final = 10.0
"""A transport that has not become a connection by then is closed."""

CLOSE_PAUSE_S: Final = 0.05
LAST_ANSWERS_S: Final = 0.25
"""How long a client that is sent elsewhere still gets answers, while nothing more is read from it."""

CONNECT: Final = "connect"
DISCONNECT: Final = "disconnect"
MALFORMED: Final = "malformed"
"""What stands in the journal for what is no event: CONNECT (without what it carries), an end, a broken packet."""

_SPACE: Final = "[ \\t\\r\\n]*"  # JSON's alone
# `2`, the ack's id, the event's name without escapes, and the argument as it is, up to the closing bracket.
_EVENT: Final = re.compile(
    rf'2([0-9]{{0,{MAX_ACK_DIGITS}}})\[{_SPACE}"([^"\\\x00-\x1f]{{1,100}})"{_SPACE}(?:,(.*))?\]{_SPACE}'.encode(),
    re.DOTALL,
)
_MESSAGE: Final = ord(packets.MESSAGE)


class Sockets(StrictServer):
    def __init__(
        self,
        relay: Relay,
        hub: Hub,
        sessions: Sessions,
        counts: SocketCounts,
        journal: Journal,
        tasks: Tasks,
        *,
        events_per_second: float,
        more_headers: MoreHeaders,
    ) -> None:
        super().__init__(
            tasks,
            namespaces=["/"],
            connect_within_s=CONNECT_WITHIN_S,
            # Origins are judged where identity is (`Sessions.of_handshake`): the answer is a CONNECT_ERROR.
            cors_allowed_origins=[],
            max_http_buffer_size=MAX_FRAME_BYTES,
            packets_per_second=PACKETS_PER_EVENT * events_per_second,
            more_headers=more_headers,
        )
        self._relay = relay
        self._hub = hub
        self._sessions = sessions
        self._counts = counts
        self._journal = journal
        self._tasks = tasks
        self._events_per_second = events_per_second
        self._by_engine_id: dict[str, Connection] = {}
        self._leaving: set[str] = set()
        self.on("connect", self._authenticate)
        self.on("disconnect", self._disconnected)

    async def close_gradually(self, within_s: float) -> None:
        """Send all clients elsewhere, in any order, a few at a time; they reconnect by themselves.

        Some more may come meanwhile, on connections that are open: they are sent away behind the others.
        """
        pauses = max(1, round(within_s / CLOSE_PAUSE_S))
        async with asyncio.TaskGroup() as leaving:
            while engine_ids := [engine_id for engine_id in self.eio.sessions if engine_id not in self._leaving]:
                random.shuffle(engine_ids)
                count, parts = len(engine_ids), min(pauses, len(engine_ids))
                for part in range(parts):
                    few = engine_ids[part * count // parts : (part + 1) * count // parts]
                    leaving.create_task(self._send_away(few), name="send away")
                    await asyncio.sleep(CLOSE_PAUSE_S)
                pauses = 1

    async def _send_away(self, engine_ids: list[str]) -> None:
        """What these have asked is answered first, as far as that comes soon; they are not read any more."""
        self._leaving.update(engine_ids)
        for engine_id in engine_ids:
            if (session := self.eio.sessions.get(engine_id)) is not None:
                session.transport.hold()
        await asyncio.sleep(LAST_ANSWERS_S)
        for engine_id in engine_ids:
            self.eio.close(engine_id, GOING_AWAY)
        self._leaving.difference_update(engine_ids)

    def let_in(self, eio_sid: str, sid: str, namespace: str, auth: Any) -> None:
        super().let_in(eio_sid, sid, namespace, auth)
        self.environ[eio_sid] = {}  # the handshake's headers are needed no more
        self._tasks.spawn(self._welcome(self._by_engine_id[eio_sid]), "welcome")

    async def _authenticate(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        engine_id = self.manager.eio_sid_from_sid(sid, "/")
        handshake = environ.get(HANDSHAKE)
        caller = msgspec.structs.replace(ANONYMOUS, connection=sid)
        try:
            if handshake is None or (token is not None and not isinstance(token, str)):
                raise ServiceError("unauthorized", "The token is a text, and comes with a new transport.")
            caller = await self._sessions.of_handshake(handshake, token, sid)
            session = self.eio.sessions.get(engine_id)
            if session is None:
                raise ServiceError("unavailable", "The client has gone.")
            connection = Connection(
                caller,
                session,
                close=lambda: self._tasks.spawn(self.disconnect(sid), "close"),
                bucket=TokenBucket(self._events_per_second, monotonic()),
                trace=traceparent(auth.get("traceparent") if isinstance(auth, dict) else None)
                or traceparent(handshake.headers.get("traceparent")),
            )
            self._counts.take(caller)  # last: whoever is counted has a connection, with which it is let go
        except ServiceError as error:
            self._journal.came_in(caller, CONNECT, b"", error.code, private=True)
            raise Refused(error.code) from None
        self._journal.came_in(caller, CONNECT, b"", "ok", private=True)
        self._by_engine_id[engine_id] = connection
        session.lane = partial(self._take_event, connection)

    async def _welcome(self, connection: Connection) -> None:
        """First follow what it must not miss, then say that it is ready, then let services greet it."""
        if not connection.is_open:
            return
        await self._hub.add(connection, [topic.name for topic in self._relay.manifests.topics_for_everyone])
        # A logout that came between the handshake and the hub has found no socket to close.
        session = connection.caller.session
        if self._sessions.has_ended(session):
            self._hub.end_sessions(frozenset({session}), "logout")
            return
        if connection.is_open:
            ready = msgspec.json.encode(contract.ready(connection.caller))
            self._hub.tell((connection,), contract.READY.name, ready)
            self._relay.greet(connection)

    def _disconnected(self, sid: str, reason: str) -> None:
        engine_id = self.manager.eio_sid_from_sid(sid, "/")
        connection = self._by_engine_id.pop(engine_id, None)
        if connection is not None:
            self._hub.remove(connection)
            self._counts.release(connection.caller)
            said = msgspec.json.encode({"reason": reason})
            self._journal.came_in(connection.caller, DISCONNECT, said, "ok", private=False)

    def _take_event(self, connection: Connection, packet: bytes) -> bool:
        """The fast lane, where nearly all packets go: bytes in, bytes out. False: it is to go the long way."""
        event = _EVENT.fullmatch(packet, 1)
        if (
            event is None
            or packet[0] != _MESSAGE
            or self._binary_packet
            or not connection.is_open
            or not (packet.isascii() or _is_utf8(packet))
        ):
            return False
        ack, name, argument = event.groups(b"")
        return self._relay.known_event(connection, name, argument, ack)

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> Work:
        """The same for what came in larger frames, in pieces, by polling, or has an unknown name."""
        connection = self._by_engine_id.get(eio_sid)
        if connection is not None and isinstance(data, str) and eio_sid not in self._binary_packet:
            event = _EVENT.fullmatch(data.encode("utf-8", "surrogatepass"))
            if event is not None:
                ack, name, argument = event.groups(b"")
                self._relay.event(connection, name.decode("utf-8", "surrogatepass"), argument, ack)
                return None
        return super()._handle_eio_message(eio_sid, data)

    def _malformed(self, eio_sid: str, data: str | bytes) -> None:
        """Kept as it came, as far as it is text."""
        connection = self._by_engine_id.get(eio_sid)
        caller = ANONYMOUS if connection is None else connection.caller
        payload = data.encode("utf-8", "replace") if isinstance(data, str) else b""
        self._journal.came_in(caller, MALFORMED, payload, "bad_request", private=False)

    def _handle_ack(self, _eio_sid: str, _namespace: str, _ack: int | None, _data: Any) -> None:
        """The answer to a question that is never asked: no event of ours waits for one."""

    def _handle_event(self, eio_sid: str, _namespace: str, ack: int | None, _data: Any) -> None:
        """An event that none of ours can be: binary, or with an odd name. Done at once: a task each is dear."""
        connection = self._by_engine_id.get(eio_sid)
        if connection is not None:
            self._relay.event(connection, "", b"", b"" if ack is None else b"%d" % ack)


def _is_utf8(data: bytes) -> bool:
    """As a text frame has to be (RFC 6455, section 5.6); what is not goes to the reader, which says so."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
