"""python-socketio's server on our engine, held to the protocol: one wrong packet and the client is out.

What is the same for the gateway and for the bare protocol server: whatever the protocol does not allow closes the
transport, and the disconnect handler runs at once. `Sockets` adds identity and the fast lane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import socketio
import structlog
from socketio import packet as stock
from socketio.exceptions import ConnectionRefusedError as Refused

from pulso.tasks import Tasks
from services.gateway.engine.endings import PROTOCOL_ERROR, TRANSPORT_ERROR
from services.gateway.engine.events import Packet, Received, decode
from services.gateway.engine.members import Members
from services.gateway.engine.packets import Malformed
from services.gateway.engine.server import EngineServer
from services.gateway.engine.session import Work
from services.gateway.engine.wheel import Wheel

INVALID_NAMESPACE: Final = {"message": "Invalid namespace"}

log = structlog.get_logger(__name__)


class StrictServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    def __init__(self, tasks: Tasks, *, namespaces: list[str], connect_within_s: float, **engine: Any) -> None:
        super().__init__(
            client_manager=Members(),
            serializer=Packet,
            # One event at a time and in order; a handler that must not hold up its client spawns a task.
            async_handlers=False,
            namespaces=namespaces,
            tasks=tasks,
            **engine,
        )
        self.manager_initialized = True
        self._connect_within_s = connect_within_s
        self._newcomers: Wheel[str] = Wheel(connect_within_s / 100, self._close_unless_connected)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Send one client out of a namespace. Like a newcomer's, its transport may join one within the time."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace or "/")
        await super().disconnect(sid, namespace, ignore_queue)
        if eio_sid is not None:
            self._newcomers.put(eio_sid, self._connect_within_s)

    def tell(self, sid: str, event: str, *arguments: Any, namespace: str = "/") -> None:
        """Queue an event for one client; who is gone misses it. `emit` does the same for whoever awaits it."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        if eio_sid is not None:
            self.send_packet(eio_sid, Packet(stock.EVENT, [event, *arguments], namespace))

    def send_packet(self, eio_sid: str, packet: Packet) -> None:
        encoded = packet.encode()
        for part in encoded if isinstance(encoded, list) else (encoded,):
            self.eio.send(eio_sid, part)

    async def _send_packet(self, eio_sid: str, pkt: Packet) -> None:
        self.send_packet(eio_sid, pkt)

    def _engineio_server_class(self) -> Callable[..., EngineServer]:
        return EngineServer

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> Work:
        self.environ[eio_sid] = environ
        self._newcomers.put(eio_sid, self._connect_within_s)
        return None

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> Work:
        try:
            packet = self._complete(eio_sid, data)
            return None if packet is None else self._dispatch(eio_sid, packet)
        except Malformed as fault:
            log.info("malformed packet", fault=str(fault))
            self._malformed(eio_sid, data)
            self.eio.close(eio_sid, PROTOCOL_ERROR, TRANSPORT_ERROR)
            return None

    def _malformed(self, eio_sid: str, data: str | bytes) -> None:
        """What the protocol does not allow has come, and is the end of its transport."""

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        for namespace in self.namespaces:
            await self._handle_disconnect(eio_sid, namespace, reason)
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            if sid is not None:  # its connect handler failed: it was never let in, and nobody else forgets it
                await self.manager.disconnect(sid, namespace)
        self._binary_packet.pop(eio_sid, None)
        self.environ.pop(eio_sid, None)

    def _complete(self, eio_sid: str, data: str | bytes) -> Received | None:
        """The packet, once it has all its attachments; nothing else may come between them."""
        waiting: Received | None = self._binary_packet.get(eio_sid)
        if isinstance(data, bytes):
            if waiting is None:
                raise Malformed("an attachment of nothing")
            if not waiting.attach(data):
                return None
            del self._binary_packet[eio_sid]
            return waiting
        if waiting is not None:
            raise Malformed("text where an attachment belongs")
        packet = decode(data)
        if packet.missing:
            self._check_connected(eio_sid, packet)
            self._binary_packet[eio_sid] = packet
            return None
        return packet

    def _dispatch(self, eio_sid: str, packet: Received) -> Work:
        namespace = packet.namespace
        if packet.kind == stock.CONNECT:
            return self._connect(eio_sid, namespace, packet.data)
        self._check_connected(eio_sid, packet)
        if packet.kind == stock.DISCONNECT:
            work: Work = self._leave(eio_sid, namespace)
        elif packet.kind == stock.EVENT:
            work = self._handle_event(eio_sid, namespace, packet.ack, packet.data)
        else:
            work = self._handle_ack(eio_sid, namespace, packet.ack, packet.data)
        return work

    def _check_connected(self, eio_sid: str, packet: Received) -> None:
        """Section "Connection to a namespace": nothing is exchanged before, or after it was left."""
        if self.manager.sid_from_eio_sid(eio_sid, packet.namespace) is None:
            raise Malformed("not connected to this namespace")

    def let_in(self, eio_sid: str, sid: str, namespace: str, _auth: Any) -> None:
        """Answer a CONNECT. Whoever has something to say first overrides this, and says it then."""
        self.manager.confirm(sid)
        self.send_packet(eio_sid, Packet(stock.CONNECT, {"sid": sid}, namespace))

    def _connect(self, eio_sid: str, namespace: str, auth: Any) -> Work:
        """Section "Connection to a namespace". The handler lets in by returning, and refuses by raising `Refused`.

        Stands in for python-socketio's `_handle_connect`, which takes a task and a dozen calls even where the
        handler has nothing to wait for: 7 % of a connect.
        """
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            raise Malformed("connected to this namespace already")
        if namespace not in self.namespaces:
            self.send_packet(eio_sid, Packet(stock.CONNECT_ERROR, INVALID_NAMESPACE, namespace))
            return None
        sid = self.manager.add(eio_sid, namespace)
        handler = self.handlers.get(namespace, {}).get("connect")
        try:
            work: Work = None if handler is None else handler(sid, self.environ[eio_sid], auth)
        except Refused as refused:
            self._refuse(eio_sid, sid, namespace, refused)
            return None
        if work is not None:
            return self._connect_after(work, eio_sid, sid, namespace, auth)
        self.let_in(eio_sid, sid, namespace, auth)
        return None

    async def _connect_after(
        self, work: Awaitable[None], eio_sid: str, sid: str, namespace: str, auth: Any
    ) -> None:
        try:
            await work
        except Refused as refused:
            self._refuse(eio_sid, sid, namespace, refused)
        else:
            self.let_in(eio_sid, sid, namespace, auth)

    def _refuse(self, eio_sid: str, sid: str, namespace: str, refused: Refused) -> None:
        self.manager.drop(sid, namespace)
        self.send_packet(eio_sid, Packet(stock.CONNECT_ERROR, refused.error_args, namespace))

    async def _leave(self, eio_sid: str, namespace: str) -> None:
        await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        self._newcomers.put(eio_sid, self._connect_within_s)

    def _close_unless_connected(self, eio_sid: str) -> float | None:
        """Section "Connection to a namespace": a client that connects to none is disconnected after a while."""
        if eio_sid not in self.environ:
            return None
        is_undecided = False
        for namespace in self.namespaces:
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            if self.manager.is_connected(sid, namespace):
                return None
            is_undecided = is_undecided or sid is not None
        if is_undecided:  # should its handler refuse, the client must not stay for that
            return self._connect_within_s
        self.eio.close(eio_sid)
        return None
