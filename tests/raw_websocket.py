"""A WebSocket client by hand: frames leave exactly as the test writes them, and every answer has its time.

No library would send what these tests must: frames without a mask, in endless pieces, with reserved bits. Reading
is kept just as small: what a server may send that keeps RFC 6455, and nothing more.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tests.raw_http import HOME, Address, Connection, request

CONT: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
FIN: Final = 0x80

WAITS_S: Final = 60.0
"""How long an answer is waited for beside a busy machine; the long forms measure that nothing hangs."""
MARKER: Final = 4242
"""The ack of the event behind those that are watched."""
KEY: Final = base64.b64encode(b"sixteen  letters").decode()
"""Of a handshake."""
PATH: Final = "/socket.io/?EIO=4&transport=websocket"


class SignedIn(Protocol):
    """Somebody with an access token."""

    @property
    def token(self) -> str: ...


class Refused(Exception):
    """The handshake was answered with this status instead of 101."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended: with a close frame's code, or without one."""

    code: int | None
    after_s: float

    def __str__(self) -> str:
        return f"closed {self.code}" if self.code is not None else "cut off"


def frame(
    payload: bytes | str, opcode: int = TEXT, *, first: int | None = None, mask: bytes | None = None
) -> bytes:
    """A masked frame of a client; `first` is the whole first byte, for those that no client may send."""
    data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    key = os.urandom(4) if mask is None else mask
    head = bytes((FIN | opcode if first is None else first,)) + length(len(data), 0x80)
    return head + key + _xored(data, key)


def masked(first: int, payload: bytes) -> bytes:
    """A short frame of a client, by its first byte. Masked with zeros it is readable, and the same each time."""
    return frame(payload, first=first, mask=bytes(4))


def unmasked(payload: bytes, opcode: int = TEXT) -> bytes:
    """As a server sends them, and a client must not."""
    return bytes((FIN | opcode,)) + length(len(payload), 0) + payload


def length(size: int, mask_bit: int) -> bytes:
    """RFC 6455, section 5.2."""
    if size < 126:
        return bytes((mask_bit | size,))
    if size < 65_536:
        return bytes((mask_bit | 126,)) + size.to_bytes(2, "big")
    return bytes((mask_bit | 127,)) + size.to_bytes(8, "big")


def _xored(data: bytes, key: bytes) -> bytes:
    if not any(key):
        return data
    size = len(data)
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


@dataclass(slots=True)
class Wire:
    """An open connection. Engine.IO's pings are answered while something is read, as by any client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened_at: float = field(default_factory=time.monotonic)

    def send(self, data: bytes) -> None:
        """These bytes, as they are; what a server that has closed will not take is not sent."""
        if not self.writer.is_closing():
            self.writer.write(data)

    def say(self, *packets: str | bytes) -> None:
        """Each in a good frame of its own: text, or binary."""
        for packet in packets:
            self.send(frame(packet, TEXT if isinstance(packet, str) else BINARY))

    async def flood(self, data: bytes, times: int, *, at_once: int = 50) -> Closed:
        """The same bytes again and again, as fast as they are taken, until the server has enough; how it ended.

        What it says is read meanwhile: where a connection is reset the rest is lost.
        """
        ending = asyncio.create_task(self.ended())
        with contextlib.suppress(ConnectionError):
            for _ in range(times // at_once):
                self.send(data * at_once)
                await self.writer.drain()
                await asyncio.sleep(0)
                if ending.done():
                    break
        return await ending

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises `IncompleteReadError` at the connection's end."""
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        payload = await self.reader.readexactly(size)
        return first & 0x0F, payload

    async def packet(self, *, within_s: float = WAITS_S) -> str | bytes | Closed:
        """The next packet that is no ping, or how the connection ended."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    opcode, payload = await self.frame()
                except (asyncio.IncompleteReadError, ConnectionError):
                    return Closed(None, time.monotonic() - self.opened_at)
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2], "big") if payload else None
                    return Closed(code, time.monotonic() - self.opened_at)
                if payload == b"2":
                    self.say("3")
                elif opcode == TEXT:
                    return payload.decode()
                elif opcode == BINARY:
                    return payload

    async def until(self, start: str, *, within_s: float = WAITS_S) -> str:
        """The next packet that starts like this; what comes before is passed over. Fails at an end before."""
        async with asyncio.timeout(within_s):
            while True:
                packet = await self.packet(within_s=within_s)
                assert not isinstance(packet, Closed), f"{packet} instead of {start}"
                if isinstance(packet, str) and packet.startswith(start):
                    return packet

    async def ack(self, number: int | str, *, within_s: float = WAITS_S) -> Any:
        """The one argument of this ack."""
        start = f"43{number}["
        return json.loads((await self.until(start, within_s=within_s))[len(start) - 1 :])[0]

    async def ask(self, event: str, payload: Any = None, *, number: int = 77, within_s: float = WAITS_S) -> Any:
        """Send an event and wait for its ack."""
        body = [event] if payload is None else [event, payload]
        self.say(f"42{number}{json.dumps(body)}")
        return await self.ack(number, within_s=within_s)

    async def outcome(self, *packets: str | bytes) -> str:
        """What becomes of these: each answer's code, how the connection ended, or `ignored` where it goes on.

        Only what the gateway answers itself, and `numbers:set`, is answered before the event sent behind.
        """
        self.say(*packets, f'42{MARKER}["numbers:set",{{"value":3}}]')
        seen: list[str] = []
        while not isinstance(packet := await self.packet(), Closed):
            if str(packet).startswith(f"43{MARKER}["):
                return _together(seen) or "ignored"
            seen += _told(packet)
        return _together([*seen, str(packet)])

    async def ended(self, *, within_s: float = WAITS_S) -> Closed:
        """How the server ended it; what it says before is passed over."""
        async with asyncio.timeout(within_s):
            while True:
                packet = await self.packet(within_s=within_s)
                if isinstance(packet, Closed):
                    return packet

    def cut(self) -> None:
        """As when the network goes: no close frame."""
        self.writer.transport.abort()


def _together(seen: list[str]) -> str:
    """What comes many times in a row is said once."""
    runs = [(len(list(run)), said) for said, run in itertools.groupby(seen)]
    return ", ".join(f"{count} x {said}" if count > 1 else said for count, said in runs)


def _told(packet: str | bytes) -> list[str]:
    """An ack's code, or why a namespace was refused; nothing of what everybody is told."""
    text = str(packet)
    if text.startswith("43"):
        answer = json.loads(text[text.index("[") :])[0]
        return [answer["error"]["code"] if "error" in answer else f"ok {json.dumps(answer)}"]
    if text.startswith("44"):
        return [f"refused: {json.loads(text[text.index('{') :])['message']}"]
    return []


async def handshake(
    target: Address,
    *,
    headers: Mapping[str, str] | None = None,
    path: str = PATH,
    source: str = HOME,
    receive_bytes: int = 0,
) -> Wire:
    """An open WebSocket from this address. Raises `Refused`.

    `receive_bytes` is about how much the machine of a client that does not read takes for it.
    """
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setblocking(False)
    if receive_bytes:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    tcp.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(tcp, (target.host, target.port))
    reader, writer = await asyncio.open_connection(sock=tcp, limit=receive_bytes or 1 << 16)
    connection = Connection(reader, writer)
    await connection.send(upgrade(target, path, headers))
    try:
        async with asyncio.timeout(WAITS_S):
            head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Refused(int(head.split(b" ", 2)[1]))
    except BaseException:
        connection.abort()
        raise
    return Wire(reader, writer)


def upgrade(target: Address, path: str = PATH, headers: Mapping[str, str] | None = None) -> bytes:
    """The request of a good handshake, but for what `headers` say."""
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **(headers or {}),
    }
    return request("GET", path, asked, host=f"{target.host}:{target.port}")


@contextlib.asynccontextmanager
async def opened(target: Address, **how: Any) -> AsyncIterator[Wire]:
    """A WebSocket after Engine.IO's handshake, cut off at the end; arguments as of `handshake`."""
    wire = await handshake(target, **how)
    try:
        first = await wire.packet()
        assert isinstance(first, str), first
        assert first.startswith('0{"sid"'), first
        yield wire
    finally:
        wire.cut()


@contextlib.asynccontextmanager
async def welcomed(target: Address, who: SignedIn, **how: Any) -> AsyncIterator[Wire]:
    """As `opened`, connected with a token and greeted by the services."""
    async with opened(target, **how) as wire:
        wire.say(connect(who.token))
        await wire.until('42["numbers:value"')
        yield wire


def connect(token: str) -> str:
    """The packet with which a program says who it is."""
    return "40" + json.dumps({"token": token})
