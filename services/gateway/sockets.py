"""The Socket.IO server: who may connect, and the fast lane for plain events.

python-socketio owns the protocol (namespaces, CONNECT, DISCONNECT). A plain EVENT on `/` does not go through it:
event name, ack id and the raw JSON argument are cut out of the packet here and the bytes go on to the service,
which alone decodes them. Nothing else is offered: only `/`, only JSON.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import socketio
import structlog
from engineio.packet import MESSAGE, Packet
from socketio.exceptions import ConnectionRefusedError as Refused

from pulso.errors import ServiceError
from pulso.tasks import Tasks
from services.gateway import contract, metrics
from services.gateway.connection import Connection
from services.gateway.hub import Hub
from services.gateway.limits import SocketCounts, TokenBucket
from services.gateway.relay import Relay
from services.gateway.sessions import Sessions

MAX_FRAME_BYTES: Final = 1 << 20
"""A frame may be larger than a payload, so that one that is too large is answered instead of cut off."""
MAX_QUEUED: Final = 2_000
"""Frames that may wait for a client that does not read; with one more it is closed as slow."""
CONNECT_WITHIN_S: Final = 10.0
"""A transport that has not become a connection by then is closed."""

CLOSE_PAUSE_S: Final = 0.01

# `2`, the ack's id, the event's name without escapes, and the argument as it is, up to the closing bracket.
_EVENT: Final = re.compile(r'2(\d{0,15})\[\s*"([^"\\\x00-\x1f]{1,100})"\s*(?:,(.*))?\]\s*', re.DOTALL)
_ACK_ID: Final = re.compile(r"(?:2|5\d{1,15}-)(\d{1,15})(?!\d)")

log = structlog.get_logger(__name__)


class Sockets(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    def __init__(
        self,
        relay: Relay,
        hub: Hub,
        sessions: Sessions,
        counts: SocketCounts,
        tasks: Tasks,
        *,
        events_per_second: float,
    ) -> None:
        super().__init__(
            async_mode="aiohttp",
            # Origins are judged where identity is (`Sessions.of_handshake`): the answer is a CONNECT_ERROR.
            cors_allowed_origins=[],
            max_http_buffer_size=MAX_FRAME_BYTES,
            logger=False,
            engineio_logger=False,
        )
        self._relay = relay
        self._hub = hub
        self._sessions = sessions
        self._counts = counts
        self._tasks = tasks
        self._events_per_second = events_per_second
        self._by_engine_id: dict[str, Connection] = {}
        self.on("connect", self._authenticate)
        self.on("disconnect", self._disconnected)

    async def close_gradually(self, within_s: float) -> None:
        """Send all clients elsewhere, one after the other in any order; they reconnect by themselves."""
        engine_ids = list(self._by_engine_id)
        random.shuffle(engine_ids)
        for engine_id in engine_ids:
            self._close_transport(engine_id)
            await asyncio.sleep(min(CLOSE_PAUSE_S, within_s / len(engine_ids)))

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, self._close_unless_connected, eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        connected = self._by_engine_id.get(eio_sid)
        if connected is not None:  # once more to the same namespace changes nothing, and there is no other
            if namespace not in (None, "/") and connected.bucket.take(asyncio.get_running_loop().time()):
                connected.send(Packet(MESSAGE, f'4{namespace},{{"message":"Invalid namespace"}}'))
            return
        try:
            await super()._handle_connect(eio_sid, namespace, data)
        finally:
            connection = self._by_engine_id.get(eio_sid)
            # The client may have gone while it was authenticated; nobody else would notice then.
            if connection is not None and not self._is_open(eio_sid):
                self._forget(eio_sid)
        if connection is not None and connection.is_open:
            self._tasks.spawn(self._welcome(connection), "welcome")

    async def _authenticate(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        engine_id = self.manager.eio_sid_from_sid(sid, "/")
        try:
            if token is not None and not isinstance(token, str):
                raise ServiceError("unauthorized", "The token is a text.")
            caller = await self._sessions.of_handshake(environ["aiohttp.request"], token, sid)
            send = self._sender(engine_id)
            self._counts.take(caller)
        except ServiceError as error:
            raise Refused(error.code) from None
        self._by_engine_id[engine_id] = Connection(
            caller,
            send=send,
            close=lambda: self._tasks.spawn(self.disconnect(sid), "close"),
            bucket=TokenBucket(self._events_per_second, asyncio.get_running_loop().time()),
        )

    async def _welcome(self, connection: Connection) -> None:
        """First follow what it must not miss, then say that it is ready, then let services greet it."""
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

    def _disconnected(self, sid: str, _reason: str) -> None:
        engine_id = self.manager.eio_sid_from_sid(sid, "/")
        self._forget(engine_id)
        # A client may leave the namespace and keep the transport, which no limit counts then.
        asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, self._close_unless_connected, engine_id)

    def _forget(self, engine_id: str) -> None:
        connection = self._by_engine_id.pop(engine_id, None)
        if connection is not None:
            self._hub.remove(connection)
            self._counts.release(connection.caller)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        connection = self._by_engine_id.get(eio_sid)
        if isinstance(data, bytes):
            if connection is None:
                self._close_transport(eio_sid)
            return  # the attachment of a binary event, which was refused already
        if connection is not None and data[:1] in ("2", "5"):
            event = _EVENT.fullmatch(data)
            if event is None:
                self._refuse(connection, data)
            else:
                ack, name, argument = event.groups("")
                self._relay.event(connection, name, argument.encode(), ack)
        elif data[:1] in ("0", "1"):  # CONNECT and DISCONNECT are python-socketio's
            try:
                await super()._handle_eio_message(eio_sid, data)
            except (ValueError, KeyError, TypeError, RecursionError) as fault:
                log.info("malformed packet", fault=str(fault)[:200])
                self._close_transport(eio_sid)
        elif connection is None or data[:1] not in ("3", "6"):  # an ACK to nothing that we asked harms nobody
            self._close_transport(eio_sid)

    def _refuse(self, connection: Connection, packet: str) -> None:
        """An event that none of ours can be: binary, of another namespace, with an odd name."""
        ack = _ACK_ID.match(packet)
        self._relay.malformed(connection, packet.encode(), ack.group(1) if ack else "")

    def _sender(self, engine_id: str) -> Callable[[Packet], None]:
        """Queues frames in the engine's own queue, so that order with the engine's packets is kept."""
        socket = self.eio.sockets.get(engine_id)
        if socket is None:  # it went while its client was authenticated
            raise ServiceError("unauthorized", "The connection is gone.")

        def send(frame: Packet) -> None:
            if socket.closed or socket.closing:
                return
            if socket.queue.qsize() < MAX_QUEUED:
                socket.queue.put_nowait(frame)
                return
            metrics.SLOW_CLOSES.inc()
            self._tasks.spawn(socket.close(wait=False, abort=True), "close slow")

        return send

    def _is_open(self, engine_id: str) -> bool:
        socket = self.eio.sockets.get(engine_id)
        return socket is not None and not (socket.closed or socket.closing)

    def _close_transport(self, engine_id: str) -> None:
        self._tasks.spawn(self.eio.disconnect(engine_id), "close transport")

    def _close_unless_connected(self, engine_id: str) -> None:
        if engine_id not in self._by_engine_id and self._is_open(engine_id):
            self._close_transport(engine_id)
