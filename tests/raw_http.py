"""HTTP by hand: any bytes at all are sent, and what comes back, or that nothing does, is told with its time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from multidict import CIMultiDict

ANSWERED_WITHIN_S: Final = 2.0
"""Whatever is sent: it is answered, or the connection closed, by then. The long forms hold the target to it."""
PATIENCE_S: Final = 60.0
"""The same where others want the machine, too."""
HOME: Final = "127.0.0.1"
JSON: Final = "application/json"


class Address(Protocol):
    """Where bytes are sent: the target of the abuse is one."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


class Listener(NamedTuple):
    """An `Address`, and nothing else."""

    host: str
    port: int


def at(url: str) -> Listener:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return Listener(parts.hostname, parts.port)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `status` 0 where the connection was closed without one, `took_s` since it was waited for."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of the error that was answered; empty where it was none."""
        try:
            return str(self.json["error"]["code"])
        except (ValueError, TypeError, KeyError):
            return ""

    def __str__(self) -> str:
        return f"{self.status} {self.code}".rstrip() if self.status else "closed"


class NotAnswered(AssertionError):
    """Neither answered nor closed in time."""


class Connection:
    """One TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """What a server that has closed already will not take is not sent."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    def end(self) -> None:
        """Nothing more will be sent."""
        self._writer.write_eof()

    def abort(self) -> None:
        """As when a machine is unplugged and its neighbour notices."""
        self._writer.transport.abort()

    async def answer(self, *, within_s: float = PATIENCE_S, method: str = "") -> Answer:
        """The next response, or that there is none any more. A HEAD's has no body, whatever its length."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                head = await self._reader.readuntil(b"\r\n\r\n")
                status, headers = _parsed(head)
                body = b"" if method == "HEAD" else await self._body(status, headers)
        except TimeoutError:
            raise NotAnswered(f"neither answered nor closed within {within_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError) as closed:
            if getattr(closed, "partial", b""):
                raise AssertionError(f"closed within an answer: {closed}") from None
            return Answer(0, CIMultiDict(), b"", time.monotonic() - began)
        return Answer(status, headers, body, time.monotonic() - began)

    async def closes(self, *, within_s: float) -> bytes:
        """What came before the server closed. Fails where it did not."""
        try:
            async with asyncio.timeout(within_s):
                return await self._reader.read()
        except TimeoutError:
            raise AssertionError(f"not closed within {within_s:g} s") from None
        except ConnectionError:
            return b""

    async def _body(self, status: int, headers: CIMultiDict[str]) -> bytes:
        if status in (204, 304) or 100 <= status < 200:
            return b""
        if headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(await self._reader.readline(), 16):
                pieces.append((await self._reader.readexactly(size + 2))[:-2])
            await self._reader.readline()
            return b"".join(pieces)
        if "Content-Length" in headers:
            return await self._reader.readexactly(int(headers["Content-Length"]))
        return await self._reader.read()


@contextlib.asynccontextmanager
async def connected(target: Address, *, source: str = HOME) -> AsyncIterator[Connection]:
    """A connection from this address, of those that begin with 127."""
    reader, writer = await asyncio.open_connection(target.host, target.port, local_addr=(source, 0), limit=1 << 20)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def ask(target: Address, data: bytes, *, within_s: float = PATIENCE_S, source: str = HOME) -> Answer:
    """The first answer to these bytes on a connection of their own."""
    async with connected(target, source=source) as connection:
        await connection.send(data)
        return await connection.answer(within_s=within_s, method=data[:5].decode("latin-1").strip())


def request(
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    host: str = "pulso",
) -> bytes:
    """A request as it stands on the wire; its length is told unless `headers` say how the body comes."""
    given = CIMultiDict(headers or {})
    if body is not None and "Content-Length" not in given and "Transfer-Encoding" not in given:
        given["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
    return head.encode("utf-8", "surrogateescape") + (body or b"")


def post(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """A JSON body; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", path, {"Content-Type": JSON, **(headers or {})}, data)


def _parsed(head: bytes) -> tuple[int, CIMultiDict[str]]:
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(": ")
        headers.add(name, value)
    return int(first.split()[1]), headers
