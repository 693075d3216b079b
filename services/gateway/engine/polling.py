"""The long-polling transport: one GET waits for packets, POSTs bring them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web

from services.gateway.engine import packets
from services.gateway.engine.websocket import MAX_OUTBOX_BYTES

_CLOSE: Final = packets.text_frame(packets.CLOSE.encode())
_NOOP: Final = packets.text_frame(packets.NOOP.encode())


class TooLarge(ValueError):
    """A body beyond the announced `maxPayload`."""


class Probe(Protocol):
    """A WebSocket that is about to take over; once it is proven, polls are answered at once."""

    is_proven: bool

    def end(self) -> None: ...


class Polling:
    """Frames wait here for the next GET."""

    __slots__ = ("_frames", "_held_bytes", "_poll", "is_posting", "probe")

    name = "polling"

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._held_bytes = 0
        self._poll: asyncio.Future[str] | None = None
        self.is_posting = False
        self.probe: Probe | None = None

    @property
    def is_polled(self) -> bool:
        return self._poll is not None

    def take(self, frames: list[bytes]) -> bool:
        self._frames += frames
        self._held_bytes += sum(map(len, frames))
        self._answer()
        return self._held_bytes <= MAX_OUTBOX_BYTES

    def take_one(self, frame: bytes) -> bool:
        return self.take([frame])

    def unread_bytes(self) -> int:
        return self._held_bytes

    def hold(self) -> None:
        """Nothing to do: a POST is answered, and the next one comes, once what it brought is handled."""

    def go_on(self) -> None:
        """As `hold`."""

    def close(self, _code: int) -> None:
        self._finish(_CLOSE)

    def abort(self) -> None:
        self._finish(_CLOSE)

    def closed_by_client(self) -> None:
        """Section "HTTP long-polling": a CLOSE that came by POST ends the waiting GET with a noop."""
        self._finish(_NOOP)

    def noop(self) -> None:
        """Section "Upgrade": end a waiting poll cleanly."""
        if self._poll is not None:
            self._frames.append(_NOOP)
            self._answer()

    def hand_over(self) -> list[bytes]:
        """The frames that no poll has fetched."""
        frames, self._frames = self._frames, []
        return frames

    async def poll(self, request: web.Request, on_gone: Callable[[], None]) -> str:
        """The body of a GET, once there is something; `on_gone` if the client does not wait for it."""
        if not self._frames and self.probe is not None and self.probe.is_proven:
            self._frames.append(_NOOP)
        if self._frames:
            return self._body()
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poll = answered

        def gone() -> None:
            if not answered.done():
                answered.set_result("")
            on_gone()

        watch = _Watch.on(request, gone)
        try:
            return await answered
        finally:
            self._poll = None
            watch.end()

    def _finish(self, last: bytes) -> None:
        if self._poll is not None:
            self._frames.append(last)
            self._answer()
        self._frames = []
        if self.probe is not None:
            self.probe.end()

    def _answer(self) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(self._body())

    def _body(self) -> str:
        self._held_bytes = 0
        return packets.encode_payload(self.hand_over())


class _Watch(asyncio.Protocol):
    """Stands between a connection and aiohttp while a poll waits, to notice at once that its client has gone.

    aiohttp itself tells a waiting handler nothing unless it cancels all handlers of the application.
    """

    def __init__(
        self, connection: asyncio.Transport, protocol: asyncio.Protocol, on_gone: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._protocol = protocol
        self._on_gone = on_gone

    @classmethod
    def on(cls, request: web.Request, on_gone: Callable[[], None]) -> _Watch:
        connection = request.transport
        if connection is None:
            raise ConnectionResetError
        watch = cls(connection, request.protocol, on_gone)
        connection.set_protocol(watch)
        return watch

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
        self._on_gone()

    def end(self) -> None:
        if not self._connection.is_closing():
            self._connection.set_protocol(self._protocol)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """A POST's body. Raises `TooLarge` before more than `max_bytes` are held."""
    if (request.content_length or 0) > max_bytes:
        raise TooLarge
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge
    return bytes(body)
