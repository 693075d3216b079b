"""One client's socket, as the rest of the gateway knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pulso.contract import Caller
from pulso.message import encode_caller
from services.gateway.engine import packets
from services.gateway.limits import TokenBucket

_ACK_BEGINNINGS: Final = tuple(b"\x81%c43" % size for size in range(packets.EXTENDED))
"""Of frames of so many bytes, up to the ack's id."""


class Outlet(Protocol):
    """Where frames to a client are queued, without waiting and in order."""

    def send(self, frame: bytes) -> None: ...

    def broadcast(self, frame: bytes, to: Sequence[Any]) -> None:
        """As `send` of each of these."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connected client. `outlet` takes frames; `close` ends the socket for good.

    `caller` is replaced by `become` alone. `topics` are those it follows, `greeted` the `on_connect` endpoints
    that are asked to greet it until they do. `trace` is the traceparent that it came with: all its events belong
    to that trace.
    """

    caller: Caller
    outlet: Outlet
    close: Callable[[], object]
    bucket: TokenBucket
    topics: set[str] = field(default_factory=set)
    greeted: set[str] = field(default_factory=set)
    is_open: bool = True
    trace: str = ""
    encoded_caller: bytes = field(init=False)
    """The caller as calls carry it."""

    def __post_init__(self) -> None:
        self.become(self.caller)

    @property
    def id(self) -> str:
        return self.caller.connection

    def become(self, caller: Caller) -> None:
        """Whoever it is asks as this caller from now on."""
        self.caller = caller
        self.encoded_caller = encode_caller(caller)


def event_frame(event: str, payload: bytes) -> bytes:
    """A Socket.IO EVENT on `/`, encoded once for however many receive it. `payload` is JSON."""
    return packets.text_frame(b'42["%b",%b]' % (event.encode(), payload))


def ack_frame(ack: bytes, payload: bytes) -> bytes:
    """A Socket.IO ACK on `/` with one argument. `ack` is the packet's id, in digits."""
    size = 4 + len(ack) + len(payload)
    if size < packets.EXTENDED:  # nearly all: packet and frame in one
        return b"".join((_ACK_BEGINNINGS[size], ack, b"[", payload, b"]"))
    return packets.text_frame(b"43%b[%b]" % (ack, payload))
