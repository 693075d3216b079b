"""Engine.IO packets, and the WebSocket frames in which they leave.

A packet to a client exists once, as the complete WebSocket frame that carries it: a broadcast hands the same bytes
to every member. Long-polling, the exception, takes the packet out of its frame again.

Sections named here and beside this file are those of the Engine.IO protocol document, revision 4.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"
UPGRADE: Final = "5"
NOOP: Final = "6"
BASE64: Final = "b"
"""In place of a type: a MESSAGE whose binary data is spelled in text."""

SEPARATOR: Final = "\x1e"
"""Between the packets of one long-polling payload."""

EXTENDED: Final = 126
"""A frame of so many bytes or more has its size in an extended header."""

_FINAL_TEXT: Final = 0x81
_FINAL_BINARY: Final = 0x82
_FINAL_CLOSE: Final = 0x88
_FINAL_PONG: Final = 0x8A


class Malformed(ValueError):
    """What a client sent is no packet; its session ends."""


def text_frame(packet: bytes) -> bytes:
    """The frame of a packet in text form, its type included."""
    size = len(packet)
    # Nearly all are short, and one is made for every ack.
    return b"\x81%c%b" % (size, packet) if size < EXTENDED else _frame(_FINAL_TEXT, packet)


def message_frame(data: str | bytes) -> bytes:
    """The frame of a MESSAGE. Section "Packet encoding": text has its type before it, binary is sent as it is."""
    if isinstance(data, str):
        return _frame(_FINAL_TEXT, b"4" + data.encode())
    return _frame(_FINAL_BINARY, data)


def close_frame(code: int) -> bytes:
    return _frame(_FINAL_CLOSE, code.to_bytes(2, "big"))


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping of WebSocket's own, which is not Engine.IO's."""
    return _frame(_FINAL_PONG, payload)


def encode_payload(frames: list[bytes]) -> str:
    """Section "HTTP long-polling": packets in one body; binary ones are base64 after a `b`."""
    return SEPARATOR.join(map(_packet_of, frames))


def decode_payload(body: bytes) -> list[str | bytes]:
    """The packets of a body: text ones with their type, binary ones as bytes. Raises `Malformed`."""
    try:
        found = body.decode().split(SEPARATOR)
    except UnicodeDecodeError as fault:
        raise Malformed(str(fault)) from None
    return [decode_base64(packet) if packet.startswith(BASE64) else packet for packet in found]


def decode_base64(packet: str) -> bytes:
    """The data of a packet that starts with `b`. Raises `Malformed`."""
    try:
        return base64.b64decode(packet[1:].encode(), validate=True)
    except binascii.Error as fault:
        raise Malformed(str(fault)) from None


def _frame(first: int, payload: bytes) -> bytes:
    """RFC 6455, section 5.2: a server's frames are not masked, and ours are never in pieces."""
    size = len(payload)
    if size < EXTENDED:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def _packet_of(frame: bytes) -> str:
    header = {126: 4, 127: 10}.get(frame[1], 2)
    payload = frame[header:]
    if frame[0] == _FINAL_TEXT:
        return payload.decode()
    return BASE64 + base64.b64encode(payload).decode()
