"""Where TCP connections come in: plain WebSocket handshakes become WebSockets at once, all else is aiohttp's.

A handshake that is complete in the first bytes of a connection needs nothing of aiohttp but its compiled parser:
no protocol, task, request, route, middleware or response. That takes a quarter off a connect (docs/adr/0010).
Whatever is doubtful is handed to aiohttp as it came, so this file refuses nothing and has no rules of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from services.gateway.engine.entry import Entry
from services.gateway.engine.wheel import Wheel

ENTRIES: Final = web.AppKey("engines", dict[str, Entry])
"""The Engine.IO servers of an application by their path."""
MAX_BYTES: Final = 4096
"""A longer handshake is left to aiohttp, whose limits for a line and a header begin beyond that."""

_TICK_S: Final = 0.1

ToHttp = Callable[[float], asyncio.Protocol]
"""Makes the protocol of an HTTP connection whose first request must have come by a time of the loop's."""


class Door:
    """Makes the protocol of each new connection: give it to `create_server`."""

    def __init__(self, entries: Mapping[str, Entry], to_http: ToHttp, *, headers_within_s: float) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self.to_http: Final = to_http
        self.headers_within_s: Final = headers_within_s
        self.waiting: Final[set[Newcomer]] = set()
        self.dawdlers: Final[Wheel[Newcomer]] = Wheel(_TICK_S, Newcomer.give_up)
        self._entries = {f"GET {path}?".encode(): entry for path, entry in entries.items()}
        self._nobody = BaseProtocol(self.loop)

    def __call__(self) -> Newcomer:
        return Newcomer(self)

    def close(self) -> None:
        self.dawdlers.stop()
        for newcomer in list(self.waiting):
            newcomer.give_up()

    def opens(self, data: bytes, connection: asyncio.Transport) -> bool:
        """Whether these were the bytes of a plain handshake, and the connection is a WebSocket now."""
        entry = self._entries.get(data[: data.find(b"?", 0, 64) + 1])
        # Complete, and nothing behind it. Were there another end of a head before, the parser would stop there.
        if entry is None or len(data) > MAX_BYTES or not data.endswith(b"\r\n\r\n"):
            return False
        message = self._parsed(data)
        return message is not None and entry.open_at_once(message, connection)

    def _parsed(self, data: bytes) -> RawRequestMessage | None:
        """By a parser like the one that aiohttp's own protocol would use, with the same limits."""
        try:
            messages, upgraded, tail = HttpRequestParser(self._nobody, self.loop, MAX_BYTES).feed_data(data)
        except HttpProcessingError:
            return None
        if len(messages) != 1 or not upgraded or tail:
            return None
        message, body = messages[0]
        return message if body is EMPTY_PAYLOAD else None


class Newcomer(asyncio.Protocol):
    """A connection that has not said anything yet."""

    __slots__ = ("_by", "_connection", "_door")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._connection: asyncio.Transport | None = None
        self._by = door.loop.time() + door.headers_within_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = cast("asyncio.Transport", transport)
        self._door.waiting.add(self)
        self._door.dawdlers.put(self, self._door.headers_within_s)

    def data_received(self, data: bytes) -> None:
        connection = self._leave()
        if connection is None or self._door.opens(data, connection):
            return
        http = self._door.to_http(self._by)
        connection.set_protocol(http)
        http.connection_made(connection)
        http.data_received(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._leave()

    def give_up(self) -> None:
        connection = self._leave()
        if connection is not None:
            connection.abort()

    def _leave(self) -> asyncio.Transport | None:
        connection, self._connection = self._connection, None
        self._door.waiting.discard(self)
        return connection
