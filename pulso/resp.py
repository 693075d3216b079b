"""One RESP2 connection to Redis: commands out, replies in, in order, without a task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import hiredis


class LinkDown(Exception):
    """Redis cannot be reached now, or refused a command."""


class Refusing(LinkDown):
    """Redis takes no change now: its disk or its memory is full. It answers, and passes messages on."""


def is_refusal(fault: str) -> bool:
    """Whether this is how Redis says that it takes no change now; a script puts words of its own before it."""
    return "MISCONF" in fault or "not allowed when used memory" in fault


class Connection(asyncio.Protocol):
    """Replies go to whoever asked, in order; what nobody asked for (messages, counts) goes to `on_reply`.

    `on_lost` is called when the other side ends the connection, not when `close` does.
    """

    def __init__(self, on_reply: Callable[[Any], None], on_lost: Callable[[], None]) -> None:
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._parser = hiredis.Reader()
        self._transport: asyncio.WriteTransport | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports have no common base class

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        parser.feed(data)
        try:
            while (reply := parser.gets()) is not False:
                if self._asked:
                    _answer(self._asked.popleft(), reply)
                else:
                    self._on_reply(reply)
        except hiredis.ProtocolError:
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for waiter in self._asked:
            if not waiter.done():
                waiter.set_exception(LinkDown(str(exc or "the connection was closed")))
        self._asked.clear()
        if self._transport is not None:
            self._transport = None
            self._on_lost()

    async def ask(self, *words: bytes) -> Any:
        """Send one command and wait for its reply; an error reply raises `LinkDown`."""
        if self._transport is None:
            raise LinkDown("the connection was closed")
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(waiter)
        self.send([command(*words)])
        return await waiter

    def send(self, commands: list[bytes]) -> None:
        """Write these in one go; into the void where the connection is gone."""
        if self._transport is not None:
            self._transport.write(commands[0] if len(commands) == 1 else b"".join(commands))

    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


async def open_connection(
    options: Mapping[str, Any], *, tls: bool, on_reply: Callable[[Any], None], on_lost: Callable[[], None]
) -> Connection:
    """Connect and sign in as a Redis URL's options say. Raises `OSError` and `LinkDown`."""
    loop = asyncio.get_running_loop()
    connection = Connection(on_reply, on_lost)
    if path := options.get("path"):
        await loop.create_unix_connection(lambda: connection, path)
    else:
        host, port = options.get("host", "127.0.0.1"), options.get("port", 6379)
        await loop.create_connection(lambda: connection, host, port, ssl=tls or None)
    try:
        if password := options.get("password"):
            await connection.ask(b"AUTH", (options.get("username") or "default").encode(), password.encode())
        else:
            # A Redis whose own disk is full refuses this one, too, and passes messages on all the same.
            with contextlib.suppress(Refusing):
                await connection.ask(b"PING")
    except BaseException:
        # Left open it would stay with Redis, and its end would be taken for that of its successor.
        connection.close()
        raise
    return connection


def command(*words: bytes) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def _answer(waiter: asyncio.Future[Any], reply: Any) -> None:
    if waiter.done():
        return
    if isinstance(reply, hiredis.ReplyError):
        waiter.set_exception((Refusing if is_refusal(str(reply)) else LinkDown)(str(reply)))
    else:
        waiter.set_result(reply)
