"""WebSocket frames that no client may send, and some that only a hostile one would (RFC 6455, section 5)."""

from __future__ import annotations

import zlib

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Target
from tests.raw_websocket import BINARY, CLOSE, CONT, FIN, PING, PONG, TEXT, frame, opened, unmasked, welcomed
from tests.waiting import eventually

MEBIBYTE = 1 << 20
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
PIECE = 0
"""Instead of FIN: more of the message comes."""
SET = '427["numbers:set",{"value":5}]'


def deflated(text: str) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def header(opcode: int, size: bytes) -> bytes:
    """A frame of which only the beginning comes: what it is, and how long it says to be."""
    return bytes((FIN | opcode,)) + size + bytes(4)


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(code.to_bytes(2, "big") + reason, CLOSE)


BROKEN = {
    "compressed, not agreed on": (frame(deflated(SET), first=FIN | RSV1 | TEXT), 1002),
    "a compressed bomb": (frame(deflated("4" + "a" * 50 * MEBIBYTE), first=FIN | RSV1 | TEXT), 1002),
    "reserved bit 2": (frame(SET, first=FIN | RSV2 | TEXT), 1002),
    "reserved bit 3": (frame(SET, first=FIN | RSV3 | TEXT), 1002),
    "a reserved bit on a ping": (frame(b"x", first=FIN | RSV1 | PING), 1002),
    **{f"opcode {code:#x}": (frame(b"x", code), 1002) for code in (0x3, 0x7, 0xB, 0xF)},
    "not masked": (unmasked(SET.encode()), 1002),
    "not masked, empty": (unmasked(b""), 1002),
    "not masked, a ping": (unmasked(b"x", PING), 1002),
    "a ping of 126 bytes": (frame(bytes(126), PING), 1002),
    "a pong of 64 KiB": (frame(bytes(65_536), PONG), 1002),
    "a close frame of 126 bytes": (closing(1000, b"x" * 124), 1002),
    "a ping in pieces": (frame(b"x", first=PIECE | PING), 1002),
    "a close frame in pieces": (frame(b"\x03\xe8", first=PIECE | CLOSE), 1002),
    "a continuation of nothing": (frame(b"x", CONT), 1002),
    "a message within a message": (frame(b"4", first=PIECE | TEXT) + frame(b"4"), 1002),
    "binary goes on as text": (frame(b"4", first=PIECE | BINARY) + frame(b"4", TEXT), 1002),
    "half a close code": (frame(b"\x03", CLOSE), 1002),
    **{
        f"close code {code}": (closing(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535)
    },
    "a close reason that is no UTF-8": (closing(1000, b"\xff\xfe"), 1007),
    "text that is no UTF-8": (frame(b'42["\xff"]'), 1007),
    "text with half a surrogate pair": (frame(b'42["\xed\xa0\x80"]'), 1007),
    "text with an overlong NUL": (frame(b'42["\xc0\x80"]'), 1007),
    "text cut within a character": (frame(b'42["\xe2\x82'), 1007),
    "a length of 2^63": (header(TEXT, b"\xff" + (1 << 63).to_bytes(8, "big")), 1009),
    "a length of 2^64 - 1": (header(BINARY, b"\xff" + b"\xff" * 8), 1009),
    "a length of 4 GiB": (header(TEXT, b"\xff" + (1 << 32).to_bytes(8, "big")), 1009),
    "1 MiB and a byte": (frame(b"4" + b"x" * MEBIBYTE), 1009),
    "2 MiB in pieces": (
        frame(b"4" + b"x" * 65_535, first=PIECE | TEXT) + frame(b"x" * 65_536, first=PIECE | CONT) * 32,
        1009,
    ),
    "an HTTP request": (b"GET / HTTP/1.1\r\nHost: pulso\r\n\r\n", 1002),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 1002),
    "nothing but zeros": (bytes(64), 1002),
    "nothing but ones": (b"\xff" * 64, 1002),
}


@pytest.mark.parametrize("is_welcome", [False, True], ids=["a stranger", "a guest"])
@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_frame(target: Target, data: bytes, code: int, is_welcome: bool, expect: Expect) -> None:
    async with welcomed(target, target.guest()) if is_welcome else opened(target) as wire:
        wire.send(data)
        expect(f"closed {code}", str(await wire.ended()))


ODD = {
    "a length said in more bytes than it takes": b"\x81\xfe\x00\x1e" + bytes(4) + SET.encode(),
    "one byte a frame": frame(SET[:1], first=PIECE | TEXT)
    + b"".join(frame(byte, first=PIECE | CONT) for byte in SET[1:])
    + frame(b"", CONT),
    "a thousand empty pieces": frame(b"", first=PIECE | TEXT)
    + frame(b"", first=PIECE | CONT) * 1000
    + frame(SET, CONT),
    "pings between the pieces": frame(SET[:5], first=PIECE | TEXT)
    + frame(b"?" * 125, PING) * 20
    + frame(SET[5:], CONT),
    "a mask of zeros": frame(SET, mask=bytes(4)),
    "pongs that nobody asked for": frame(b"x" * 125, PONG) * 100 + frame(SET),
    "a thousand pings before": frame(b"x" * 125, PING) * 1000 + frame(SET),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
async def test_an_odd_frame_that_is_allowed(target: Target, data: bytes, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        wire.send(data)
        expect({"value": 5}, await wire.ack(7))


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
async def test_a_close_code_that_is_allowed_comes_back(target: Target, code: int, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        wire.send(closing(code, b"bye"))
        expect(f"closed {code}", str(await wire.ended()))


async def test_a_message_in_pieces_without_end(target: Target, expect: Expect) -> None:
    """They are counted together: no more than one frame's worth is ever held."""
    async with welcomed(target, target.guest()) as wire:
        wire.send(frame(b"4", first=PIECE | TEXT))
        piece = frame(b"x" * 1024, first=PIECE | CONT, mask=bytes(4))
        expect("closed 1009", str(await wire.flood(piece, 4 * 1024)))


async def test_frames_behind_a_close_frame_are_not_read(target: Target, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        wire.send(closing(1000) + frame(SET) * 100)
        first = str(await wire.packet())
        expect("closed 1000", first)


async def test_a_client_that_is_gone_within_a_frame_leaves_nothing(target: Target, expect: Expect) -> None:
    connections = target.metric("pulso_connections")
    async with welcomed(target, target.guest()) as wire:
        wire.send(frame(SET)[:9])
        await wire.writer.drain()
    expect(True, await eventually(lambda: target.metric("pulso_connections") <= connections))
