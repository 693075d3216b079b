"""All that takes bytes of a client's apart, in this process: what is no packet is `Malformed`, whatever it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulso import message
from pulso.message import BrokenFrame
from services.gateway.engine import packets as engine
from services.gateway.engine.events import MAX_ATTACHMENTS, MAX_DEPTH, decode
from services.gateway.engine.packets import Malformed
from services.gateway.engine.websocket import WebSocket
from services.gateway.engine.wheel import Wheel
from tests.abuse.conftest import Report
from tests.abuse.test_socket_fuzz import conversations, encoded, mutated, packets, payloads
from tests.cases import Case

SHORT, LONG = 100, 2_000
MAX_BYTES: Final = 1 << 20

any_bytes = mutated() | packets.map(encoded) | st.binary(max_size=200)
envelopes = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=20) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=9),
    max_leaves=12,
)


class Connection(asyncio.Transport):
    """As much of a transport as a WebSocket asks for; what is written is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ours if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...

    def end(self) -> None:
        self.ours.close()
        self.theirs.close()


def depth(data: Any) -> int:
    if isinstance(data, dict):
        data = list(data.values())
    return 1 + max(map(depth, data), default=0) if isinstance(data, list) else 0


def packet(data: bytes) -> None:
    try:
        received = decode(data.decode("utf-8", "replace")[1:])
        for attachment in range(received.missing):
            received.attach(b"%d" % attachment)
    except Malformed:
        return
    assert received.missing <= MAX_ATTACHMENTS
    assert depth(received.data) <= MAX_DEPTH


def payload(data: bytes) -> None:
    try:
        found = engine.decode_payload(data)
    except Malformed:
        return
    assert len(found) == data.count(b"\x1e") + 1


def batch(data: bytes) -> None:
    try:
        message.decode(data)
    except BrokenFrame:
        return


def frames(data: bytes) -> None:
    """In chunks of a prime's size: every packet is within bounds, and the end comes once."""
    asyncio.run(_read(data))


async def _read(data: bytes) -> None:
    heard: list[str | bytes] = []
    ends: list[str] = []
    closing: Wheel[WebSocket] = Wheel(0.1, WebSocket.give_up)
    connection = Connection()
    websocket = WebSocket(connection, MAX_BYTES, closing)
    websocket.on_packet, websocket.on_lost = heard.append, ends.append
    for start in range(0, len(data), 37):
        websocket.data_received(data[start : start + 37])
    websocket.connection_lost(None)
    connection.end()
    closing.stop()
    assert all(len(one) <= MAX_BYTES for one in heard)
    assert len(ends) == 1


DECODERS: Final[dict[str, tuple[Callable[[bytes], None], st.SearchStrategy[bytes]]]] = {
    "Socket.IO packets": (packet, any_bytes),
    "polling payloads": (payload, payloads | any_bytes),
    "WebSocket frames": (frames, conversations | any_bytes),
    "bus messages": (batch, st.lists(envelopes, max_size=3).map(msgspec.msgpack.encode) | any_bytes),
}


def fuzz(name: str, examples: int, report: Report, *, anew: bool) -> None:
    take_apart, strategy = DECODERS[name]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not anew,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(data: bytes) -> None:
        take_apart(data)

    run()
    report(Case(f"{examples:,} times fuzzed: {name}", "taken apart or refused", "taken apart or refused"))


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder(name: str, report: Report) -> None:
    fuzz(name, SHORT, report, anew=False)


@pytest.mark.long
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_for_long(name: str, report: Report) -> None:
    fuzz(name, LONG, report, anew=True)
