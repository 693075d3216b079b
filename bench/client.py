"""One Socket.IO client over a websocket, as cheap as it can be: the load must not be what is measured.

Frames are told apart by their first bytes and never parsed further than needed. What is written here is Socket.IO
protocol v5 in Engine.IO v4 text frames: `0` open, `2`/`3` ping and pong, `40` CONNECT, `42` EVENT, `43` ACK.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

CONNECT_WITHIN_S: Final = 30.0
ENGINE_PATH: Final = "/socket.io/?EIO=4&transport=websocket"

OnFrame = Callable[["Client", bytes], None]


class Unfit(Exception):
    """What is measured did not do what was asked of it: there is no figure then."""


class Client(WSListener):
    """A client that is connected, until `close`. `on_event` and `on_ack` are handed the frames as they came."""

    def __init__(self, *, on_event: OnFrame, on_ack: OnFrame, on_lost: Callable[[Client], None]) -> None:
        self.on_event = on_event
        self.on_ack = on_ack
        self._on_lost = on_lost
        self._transport: WSTransport | None = None
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hello = b""
        self._is_closing = False

    async def connect(self, port: int, token: str | None = None, *, source: str = "127.0.0.1") -> None:
        """From the TCP handshake to the answer to CONNECT. Raises `Unfit`."""
        self._hello = b"40" if token is None else b"40" + json.dumps({"token": token}).encode()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await ws_connect(
                    lambda: self,
                    f"ws://127.0.0.1:{port}{ENGINE_PATH}",
                    websocket_handshake_timeout=CONNECT_WITHIN_S,
                    local_addr=(source, 0),
                )
                await self._connected
        except TimeoutError:
            raise Unfit(f"no connection within {CONNECT_WITHIN_S:g} s") from None
        except (OSError, WSError) as fault:
            raise Unfit(f"no connection: {fault}") from None

    def send(self, frame: bytes) -> None:
        assert self._transport is not None, "connected first"
        self._transport.send(WSMsgType.TEXT, frame)

    def close(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        kind = data[:2]
        if kind == b"42":
            self.on_event(self, data)
        elif kind == b"43":
            self.on_ack(self, data)
        elif data == b"2":
            transport.send(WSMsgType.TEXT, b"3")
        elif data[:1] == b"0":
            transport.send(WSMsgType.TEXT, self._hello)
        elif kind == b"40":
            if not self._connected.done():
                self._connected.set_result(None)
        elif frame.msg_type != WSMsgType.PING:
            self._fail(f"the server said {data[:200]!r}")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._is_closing:
            self._fail("the server closed the connection")

    def _fail(self, why: str) -> None:
        if not self._connected.done():
            self._connected.set_exception(Unfit(why))
        else:
            self._on_lost(self)


def event_frame(event: str, payload: Any, *, ack: int | None = None) -> bytes:
    number = "" if ack is None else ack
    return f'42{number}["{event}",{json.dumps(payload, separators=(",", ":"))}]'.encode()


def argument_of(frame: bytes) -> Any:
    """The argument of an EVENT, or of an ACK."""
    return json.loads(frame[frame.index(b"[") :])[-1]
