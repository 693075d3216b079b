"""The codecs: what is encoded is decoded to the same, and anything else is refused, never half read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet as stock

from services.gateway.engine import packets
from services.gateway.engine.events import Packet, decode
from services.gateway.engine.packets import Malformed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.text(st.characters(codec="utf-8", exclude_characters="\x1e"), max_size=200) | st.binary(max_size=200)


@given(st.lists(MESSAGES, min_size=1, max_size=6))
def test_a_payload_is_decoded_to_what_was_encoded(messages: list[str | bytes]) -> None:
    body = packets.encode_payload([packets.message_frame(message) for message in messages])
    expected = [f"4{message}" if isinstance(message, str) else message for message in messages]
    assert packets.decode_payload(body.encode()) == expected


@given(st.binary(max_size=60))
def test_any_body_is_decoded_or_malformed(body: bytes) -> None:
    try:
        decoded = packets.decode_payload(body)
    except Malformed:
        return
    again = "\x1e".join(p if isinstance(p, str) else "b" + base64.b64encode(p).decode() for p in decoded)
    assert packets.decode_payload(again.encode()) == decoded


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("form", [str, bytes])
def test_frames_have_the_length_form_of_their_size(size: int, form: type) -> None:
    """RFC 6455, section 5.2."""
    frame = packets.message_frame("x" * size if form is str else b"x" * size)
    payload = b"4" + b"x" * size if form is str else b"x" * size
    header = frame[: len(frame) - len(payload)]
    assert frame.endswith(payload)
    assert header[0] == (0x81 if form is str else 0x82)
    if len(payload) < 126:
        assert header[1:] == bytes((len(payload),))
    elif len(payload) < 65_536:
        assert header[1:] == b"\x7e" + len(payload).to_bytes(2, "big")
    else:
        assert header[1:] == b"\x7f" + len(payload).to_bytes(8, "big")


@given(
    kind=st.sampled_from([stock.EVENT, stock.ACK]),
    namespace=st.sampled_from(["/", "/custom", "/a-b_c"]),
    ack=st.none() | st.integers(0, 10**16 - 1),
    arguments=st.lists(JSON, max_size=3),
)
def test_a_packet_is_decoded_to_what_was_encoded(
    kind: int, namespace: str, ack: int | None, arguments: list[object]
) -> None:
    data = ["event", *arguments] if kind == stock.EVENT else arguments
    ack = 0 if kind == stock.ACK and ack is None else ack
    received = decode(str(Packet(kind, data, namespace, ack).encode()))
    assert (received.kind, received.namespace, received.ack, received.data) == (kind, namespace, ack, data)


@given(st.text(st.sampled_from('0123456789-/,[]{}"a\\u\x00'), max_size=30))
def test_any_text_is_decoded_or_malformed(text: str) -> None:
    try:
        received = decode(text)
    except Malformed:
        return
    assert received.kind in {stock.CONNECT, stock.DISCONNECT, stock.EVENT, stock.ACK}
    assert received.missing <= 10


def test_attachments_take_the_place_of_their_placeholders() -> None:
    encoded = Packet(stock.EVENT, ["e", {"a": b"1"}, [b"2", {"b": b"3"}]]).encode()
    received = decode(str(encoded[0]))
    assert encoded[1:] == [b"1", b"2", b"3"]
    assert [received.attach(attachment) for attachment in (b"1", b"2", b"3")] == [False, False, True]
    assert received.data == ["e", {"a": b"1"}, [b"2", {"b": b"3"}]]
