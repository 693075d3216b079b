"""One client's socket, as the rest of the gateway knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pulso.contract import Caller
from pulso.message import encode_caller
from services.gateway.engine import packets
from services.gateway.limits import TokenBucket


class Outlet(Protocol):
    """Where frames to a client are queued, without waiting and in order."""

    def send(self, frame: bytes) -> None: ...

    def broadcast(self, frame: bytes, to: Sequence[Any]) -> None:
        """As `send` of each of these."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connected client. `outlet` takes frames; `close` ends the socket for good.

    `topics` are those it follows, `greeted` the `on_connect` endpoints that are asked to greet it until they do.
    `trace` is the traceparent that it came with: all its events belong to that trace.
    """

    caller: Caller
    outlet: Outlet
    close: Callable[[], object]
    bucket: TokenBucket
    topics: set[str] = field(default_factory=set)
    greeted: set[str] = field(default_factory=set)
    is_open: bool = True
    trace: str = ""
    _encoded: tuple[Caller, bytes] | None = None

    @property
    def id(self) -> str:
        return self.caller.connection

    @property
    def encoded_caller(self) -> bytes:
        """The caller as calls carry it: encoded once, and again where it has become another."""
        if self._encoded is None or self._encoded[0] is not self.caller:
            self._encoded = (self.caller, encode_caller(self.caller))
        return self._encoded[1]


def event_frame(event: str, payload: bytes) -> bytes:
    """A Socket.IO EVENT on `/`, encoded once for however many receive it. `payload` is JSON."""
    return packets.text_frame(b'42["%b",%b]' % (event.encode(), payload))


def ack_frame(ack: bytes, payload: bytes) -> bytes:
    """A Socket.IO ACK on `/` with one argument. `ack` is the packet's id, in digits."""
    size = 4 + len(ack) + len(payload)
    if size < packets.EXTENDED:  # nearly all: packet and frame in one
        return b"\x81%c43%b[%b]" % (size, ack, payload)
    return packets.text_frame(b"43%b[%b]" % (ack, payload))
