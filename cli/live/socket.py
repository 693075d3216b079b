"""One Socket.IO client over a websocket, as cheap as it can be: thousands of them live in one process.

Frames are told apart by their first bytes and never parsed further than needed. What is written here is Socket.IO
protocol v5 in Engine.IO v4 text frames: `0` open, `2`/`3` ping and pong, `40` CONNECT, `42` EVENT, `43` ACK, `44`
CONNECT_ERROR.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from cli.answers import reason_of

CONNECT_WITHIN_S: Final = 30.0
ENGINE_PATH: Final = "/socket.io/?EIO=4&transport=websocket"
READ_BUFFER_BYTES: Final = 2048
"""To begin with: it grows with what comes. The default, 16 KiB, is 80 MB for 5,000 clients."""

_TEXT: Final = WSMsgType.TEXT  # looking up a member of an enumeration is dear

OnFrame = Callable[["Client", bytes], None]


class NotConnected(Exception):
    """Why there is no connection, in words."""


class Refused(NotConnected):
    """The server answers, and says no: `code` as in CONNECT_ERROR, `unauthorized` or `rate_limited`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the server refuses the connection: {code}")
        self.code = code


class Client(WSListener):
    """A client that is connected, until `close`. `on_event` and `on_ack` are handed the frames as they came.

    `on_lost` is called once, with why, when a connection ends that was not closed here.
    """

    # Where there are thousands, the memory of each is cold whenever it is needed: the less of it the better.
    __slots__ = (
        "_connected",
        "_has_spoken",
        "_heard_at",
        "_hello",
        "_is_over",
        "_on_lost",
        "_partial",
        "_silent_after_s",
        "_transport",
        "on_ack",
        "on_event",
        "send",
    )

    def __init__(self, *, on_event: OnFrame, on_ack: OnFrame, on_lost: Callable[[Client, str], None]) -> None:
        self.on_event = on_event
        self.on_ack = on_ack
        self.send: Callable[[bytes], None] = _not_connected
        """Send a frame, once connected. What is sent on a connection that is lost goes nowhere."""
        self._on_lost = on_lost
        self._transport: WSTransport | None = None
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hello = b""
        self._partial = b""
        self._is_over = False
        self._heard_at = monotonic()
        self._has_spoken = False
        """Since we last looked: a clock that is read for each frame costs more than this."""
        self._silent_after_s = CONNECT_WITHIN_S

    async def connect(self, url: str, token: str | None = None) -> None:
        """From the TCP handshake to the answer to CONNECT; once only. Raises `NotConnected`.

        `url` is `ws://host:port`, or `wss://`.
        """
        self._hello = b"40" if token is None else b"40" + json.dumps({"token": token}).encode()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await ws_connect(
                    lambda: self,
                    url + ENGINE_PATH,
                    websocket_handshake_timeout=CONNECT_WITHIN_S,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                )
                if self._transport is None:  # picows says nothing where the connection ends before the upgrade
                    raise NotConnected(f"{url} closes the connection")
                await self._connected
        except TimeoutError:
            self.close()
            raise NotConnected(f"no connection within {CONNECT_WITHIN_S:g} s") from None
        except (OSError, WSError) as fault:
            raise NotConnected(f"{url} cannot be reached ({reason_of(fault)})") from None
        except (NotConnected, asyncio.CancelledError):
            self.close()
            raise

    def close(self) -> None:
        self._is_over = True
        if self._transport is not None:
            self._transport.disconnect()

    def give_up_if_silent(self, now: float) -> None:
        """`now` is `time.monotonic()`. A server that vanished closes nothing: only its heartbeat is missing.

        To be called every few seconds: what was heard since the last call counts as heard now, so that it is given
        up as much later.
        """
        if self._has_spoken:
            self._has_spoken = False
            self._heard_at = now
        if not self._is_over and now - self._heard_at > self._silent_after_s:
            self._fail(NotConnected("the server has fallen silent"))

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.send = partial(transport.send, _TEXT)
        if self._is_over:
            transport.disconnect()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        self._has_spoken = True
        if self._partial or not frame.fin:
            data = self._partial = self._partial + data
            if not frame.fin:
                return
            self._partial = b""
        kind = data[:2]
        if kind == b"42":
            self.on_event(self, data)
        elif kind == b"43":
            self.on_ack(self, data)
        elif data == b"2":
            transport.send(_TEXT, b"3")
        elif data[:1] == b"0":
            heartbeat = json.loads(data[1:])
            self._silent_after_s = (heartbeat["pingInterval"] + heartbeat["pingTimeout"]) / 1000
            transport.send(_TEXT, self._hello)
        elif kind == b"40":
            if not self._connected.done():
                self._connected.set_result(None)
        elif kind == b"44":
            self._fail(Refused(str(json.loads(data[2:]).get("message"))))
        elif frame.msg_type == WSMsgType.CLOSE:
            self._fail(NotConnected(f"the server closed the connection ({frame.get_close_code().name.lower()})"))
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._fail(NotConnected(f"the server said {data[:200]!r}"))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._fail(NotConnected("the server closed the connection"))

    def _fail(self, why: NotConnected) -> None:
        if self._is_over:
            return
        self.close()
        if not self._connected.done():
            self._connected.set_exception(why)
        else:
            self._on_lost(self, str(why))


def _not_connected(_frame: bytes) -> None:
    raise AssertionError("connected first")


def event_frame(event: str, payload: Any, *, ack: int | None = None) -> bytes:
    number = "" if ack is None else ack
    return f'42{number}["{event}",{json.dumps(payload, separators=(",", ":"))}]'.encode()


def argument_of(frame: bytes) -> Any:
    """The argument of an EVENT, or of an ACK."""
    return json.loads(frame[frame.index(b"[") :])[-1]
