"""The WebSocket transport, on a connection of its own.

Nothing of aiohttp's HTTP belongs to it, neither protocol nor parser, request or task: frames are read where
the bytes arrive, without a task to wake up. When built, an idle client cost 7 KB instead of 13 (docs/adr/0010).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http import WebSocketError

from services.gateway.engine import packets
from services.gateway.engine.endings import (
    INTERNAL_ERROR,
    NORMAL,
    PROTOCOL_ERROR,
    TRANSPORT_CLOSE,
    TRANSPORT_ERROR,
)
from services.gateway.engine.masks import MaskWatch
from services.gateway.engine.wheel import Wheel

MAX_OUTBOX_BYTES: Final = 1024 * 1024
"""What may wait for a client that does not read; with more it is closed as slow."""
CLOSE_WITHIN_S: Final = 2.0
"""How long a client has to answer a close frame; then the connection ends without its answer."""
MAX_LATE_FRAMES: Final = 1000
"""Read of a client that is being closed, for the sake of its answer; who floods would have two seconds for it."""

_LAST_CODE: Final = 4999
"""Of the codes that a close frame may carry (RFC 6455, section 7.4.2)."""

OnPacket = Callable[[str | bytes], None]
OnText = Callable[[bytes], bool]
OnOthers = Callable[[int], None]
OnLost = Callable[[str], None]

log = structlog.get_logger(__name__)


class WebSocket(asyncio.Protocol):
    """Frames in, frames out. `on_packet` and `on_lost` are its session's, or an upgrade's under way.

    `on_text` is offered what a small text frame holds first, as bytes that nobody has checked; where it answers
    False they go the long way. `on_others` is told how many frames have come that are no message of their own.
    """

    __slots__ = (
        "_closing", "_connection", "_held", "_is_closing", "_is_full", "_masks", "_reader", "_socket",
        "on_lost", "on_others", "on_packet", "on_text",
    )  # fmt: skip

    name = "websocket"

    def __init__(self, connection: asyncio.Transport, max_bytes: int, closing: Wheel[WebSocket]) -> None:
        self._connection = connection
        self._socket = _socket_of(connection)
        self._is_full = False
        self._closing = closing
        self._is_closing = False
        self._held = False
        self._masks = MaskWatch()
        # aiohttp's reader refuses a message of its limit, too.
        self._reader: Any = WebSocketReader(_Inbox(self), max_bytes + 1, False, True)
        self.on_packet: OnPacket | None = None
        self.on_text: OnText | None = None
        self.on_others: OnOthers | None = None
        self.on_lost: OnLost | None = None

    # What the loop calls.

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            return
        if self.on_text is not None:
            text = self._masks.text_in(data)
            if text is not None and self.on_text(text):
                return
        masks = self._masks
        if not masks.holds(data):
            self.broken(PROTOCOL_ERROR)
            return
        if masks.others and self.on_others is not None:
            others, masks.others = masks.others, 0
            self.on_others(others)
        if self._is_closing and masks.frames > MAX_LATE_FRAMES:
            self._connection.pause_reading()  # until it is given up
        elif self._reader is not None:
            self._reader.feed_data(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._socket.detach()  # from now on its number may be another connection's
        self._ended(TRANSPORT_CLOSE)

    # What the session calls.

    def take(self, frames: list[bytes]) -> bool:
        """Everything that is sent goes through here or `take_one`, or it would be overtaken.

        It goes straight to the kernel, by send(2): by way of uvloop, which has more to do and takes write(2), a
        delivery costs an eighth more.
        """
        return self.take_one(frames[0] if len(frames) == 1 else b"".join(frames))

    def take_one(self, data: bytes) -> bool:
        if self._is_full:
            self._is_full = self._connection.get_write_buffer_size() > 0
        if not self._is_full:
            try:
                sent = self._socket.send(data)
            except OSError:  # full, or gone: then the transport will find out
                sent = 0
            if sent == len(data):
                return True
            data = data[sent:]
        return self._keep(data)

    def _keep(self, data: bytes) -> bool:
        """The kernel takes no more for now: what it takes later is the transport's affair."""
        connection = self._connection
        # What waited before this turn the client has not read; one that keeps up may get much at once.
        unread = connection.get_write_buffer_size()
        if unread and unread + len(data) > MAX_OUTBOX_BYTES:
            return False
        connection.write(data)
        self._is_full = True
        return True

    def unread_bytes(self) -> int:
        return self._connection.get_write_buffer_size()

    def hold(self) -> None:
        if not self._held and not self._is_closing:
            self._held = True
            self._connection.pause_reading()

    def go_on(self) -> None:
        if self._held and not self._is_closing:
            self._connection.resume_reading()
        self._held = False

    def close(self, code: int = NORMAL) -> None:
        """RFC 6455, section 7.1: send a close frame, then wait for the client's, so that ours is not lost."""
        if self._is_closing:
            return
        self.go_on()
        self._is_closing = True
        self._masks.frames = 0
        self.on_packet = self.on_text = self.on_others = self.on_lost = None
        self.take([packets.close_frame(code)])
        self._closing.put(self, CLOSE_WITHIN_S)

    def closed_by_client(self) -> None:
        self.close(NORMAL)

    def abort(self) -> None:
        self._is_closing = True
        self._reader = self.on_packet = self.on_text = self.on_others = self.on_lost = None
        self._connection.abort()

    def give_up(self) -> None:
        """The client has not answered the close frame."""
        if self._reader is not None:
            self.abort()

    # What the reader has found.

    def frame(self, kind: WSMsgType, content: Any) -> None:
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
            if self.on_packet is not None:
                self.on_packet(content)
        elif kind is WSMsgType.PING:
            if not self._is_closing:
                # Not sent where earlier ones fill the outbox, unread: section 5.5.3 asks for the latest's alone.
                self.take([packets.pong_frame(bytes(content))])
        elif kind is WSMsgType.CLOSE:
            self._answer_close(content)

    def broken(self, code: int) -> None:
        """Not WebSocket, or more than is allowed."""
        on_lost = self.on_lost
        self.close(code)
        if on_lost is not None:
            on_lost(TRANSPORT_ERROR)

    def _answer_close(self, code: int) -> None:
        if code == WSCloseCode.ABNORMAL_CLOSURE or code > _LAST_CODE:  # aiohttp's reader lets these pass
            self.broken(PROTOCOL_ERROR)
            return
        if not self._is_closing:
            self.take([packets.close_frame(code or NORMAL)])
        self._connection.close()
        self._ended(TRANSPORT_CLOSE)

    def _ended(self, reason: str) -> None:
        on_lost = self.on_lost
        self._is_closing = True
        self._reader = self.on_packet = self.on_text = self.on_others = self.on_lost = None
        if on_lost is not None:
            on_lost(reason)


def _socket_of(connection: asyncio.Transport) -> socket.socket:
    """The transport's own socket: it is read and closed by the transport, and written to by us."""
    if connection.get_extra_info("sslcontext") is not None:
        raise ValueError("what is sent over TLS must go through the transport")
    number = connection.get_extra_info("socket").fileno()
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)  # its family is not asked for by `send`


class _Inbox(WebSocketDataQueue):
    """Where aiohttp's compiled reader puts frames: they are handled at once instead of queued for a task.

    The queue's own state is deliberately left as it is without `__init__`: empty, so that the reader never stalls.
    """

    __slots__ = ("_websocket",)

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    def feed_data(self, data: Any, size: int) -> None:
        try:
            self._websocket.frame(data[0], data[1])
        except Exception:  # nothing is above but compiled code that would drop it
            log.exception("frame failed")
            self._websocket.broken(INTERNAL_ERROR)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self._websocket.broken(exc.code if isinstance(exc, WebSocketError) else PROTOCOL_ERROR)

    def feed_eof(self) -> None:
        """The connection's end is noticed where the loop says it."""
