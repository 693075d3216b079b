"""RFC 6455 by hand: frames in pieces, in one chunk, and broken ones."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.engine import websocket
from services.gateway.engine.masks import MaskWatch
from tests.raw_http import ask, at
from tests.raw_websocket import Wire, masked, opened, upgrade
from tests.waiting import PATIENCE_S

PATH = "/engine.io/?EIO=4&transport=websocket"


@given(sizes=st.lists(st.sampled_from([0, 1, 125, 126, 300, 65_535, 65_536]), max_size=6), data=st.data())
def test_masks_are_watched_in_whatever_chunks_frames_arrive(sizes: list[int], data: st.DataObject) -> None:
    """Section 5.1: a client masks all of its frames."""
    good = b"".join(frame_of(size, mask=0x80) for size in sizes)
    bad = frame_of(data.draw(st.sampled_from([0, 1, 126, 65_536])), mask=0)
    stream = good + bad[:-1] if len(bad) > 2 else good + bad
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    watch, fed = MaskWatch(), 0
    for begin, end in itertools.pairwise([0, *cuts, len(stream)]):
        if not watch.holds(stream[begin:end]):
            break
        fed = end
    assert fed < len(stream)  # the last frame is noticed
    assert end > len(good)  # and none before it


@given(
    text=st.binary(max_size=140), key=st.binary(min_size=4, max_size=4), first=st.sampled_from([0x81, 0x82, 0x01])
)
def test_the_text_of_a_small_frame_is_unmasked(text: bytes, key: bytes, first: int) -> None:
    """Section 5.3. Where it is not a whole text frame, small and alone, the reader is left to it."""
    length = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    payload = bytes(byte ^ key[place % 4] for place, byte in enumerate(text))
    frame = bytes((first,)) + length + key + payload
    assert MaskWatch().text_in(frame) == (text if first == 0x81 and len(text) < 126 else None)
    for chunk in (frame[:-1], frame + b"\x81", frame * 2):
        assert MaskWatch().text_in(chunk) is None


@pytest.mark.parametrize("before", [b"\x01\x80\0\0\0\0", b"\x81", b"\x82\xfe\0\x80\0\0\0\0x"])
def test_what_follows_an_unfinished_message_is_no_small_text(before: bytes) -> None:
    watch = MaskWatch()
    assert watch.holds(before)
    assert watch.text_in(masked(0x81, b"4hello")) is None


def test_after_a_message_in_pieces_has_ended_small_texts_are_read_again() -> None:
    watch = MaskWatch()
    for piece in (masked(0x01, b"4he"), masked(0x89, b""), masked(0x80, b"llo")):
        assert watch.holds(piece)
    assert watch.text_in(masked(0x81, b"4hello")) == b"4hello"


def frame_of(size: int, *, mask: int) -> bytes:
    if size < 126:
        length = bytes((mask | size,))
    elif size < 65_536:
        length = bytes((mask | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((mask | 127,)) + size.to_bytes(8, "big")
    return b"\x82" + length + (b"\xff" * 4 if mask else b"") + b"\0" * size


def wire(server: str) -> AbstractAsyncContextManager[Wire]:
    return opened(at(server), path=PATH)


async def test_compression_is_not_agreed_on(server: str) -> None:
    asked = upgrade(at(server), PATH, {"Sec-WebSocket-Extensions": "permessage-deflate"})
    answer = await ask(at(server), asked)
    assert answer.status == 101
    assert "Sec-WebSocket-Extensions" not in answer.headers


async def test_a_message_in_pieces_is_one_message(server: str) -> None:
    """Section 5.4, a ping between the pieces included."""
    async with wire(server) as raw:
        raw.send(masked(0x01, b"4he") + masked(0x89, b"?") + masked(0x00, b"l") + masked(0x80, b"lo"))
        assert await raw.frame() == (0xA, b"?")
        assert await raw.frame() == (1, b"4hello")


async def test_pieces_together_may_not_be_larger_than_one(server: str) -> None:
    async with wire(server) as raw:
        piece = b"\xfe\xff\xff\0\0\0\0" + b"x" * 65_535
        raw.send(b"\x02" + piece + (b"\x00" + piece) * 15)
        assert await raw.frame() == (8, (1009).to_bytes(2, "big"))


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_a_close_frame_comes_back_with_its_code(server: str, code: int) -> None:
    """Section 5.5.1."""
    async with wire(server) as raw:
        raw.send(masked(0x88, code.to_bytes(2, "big") + b"bye"))
        assert await raw.frame() == (8, code.to_bytes(2, "big"))


async def test_frames_that_arrive_byte_by_byte_are_read(server: str) -> None:
    async with wire(server) as raw:
        for byte in masked(0x81, b"4slow"):
            raw.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert await raw.frame() == (1, b"4slow")


async def test_many_frames_in_one_chunk_are_answered_in_order(server: str) -> None:
    async with wire(server) as raw:
        raw.send(b"".join(masked(0x81, b"4%d" % number) for number in range(500)))
        assert [await raw.frame() for _ in range(500)] == [(1, b"4%d" % number) for number in range(500)]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\xc1\x81\0\0\0\0x", 1002),  # a reserved bit (5.2)
        (b"\x83\x80\0\0\0\0", 1002),  # an unknown opcode
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in pieces (5.5)
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing (5.4)
        (b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y", 1002),  # a message within a message
        (b"\x89\xfe\0\x7e\0\0\0\0" + b"x" * 126, 1002),  # a ping of more than 125 bytes (5.5)
        (b"\x88\x81\0\0\0\0x", 1002),  # a close frame with half a code (5.5.1)
        *[(masked(0x88, code.to_bytes(2, "big")), 1002) for code in (0, 999, 1005, 1006, 1015, 2999, 5000)],  # 7.4
        (masked(0x88, b"\x03\xe8\xff"), 1007),  # a reason that is no UTF-8 (5.5.1)
        (b"\x81\x034hi", 1002),  # without mask (5.1)
        (masked(0x01, b"4") + b"\x80\x01x", 1002),  # the second piece is without mask
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),  # more than anybody has
        (b"\x81\xff\0\0\0\0\0\x0f\x42\x41\0\0\0\0", 1009),  # one byte too many, before any has come
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),  # no UTF-8 (8.1)
    ],
)
async def test_a_broken_frame_closes_with_its_code(server: str, frames: bytes, code: int) -> None:
    async with wire(server) as raw:
        raw.send(frames)
        assert await raw.frame() == (8, code.to_bytes(2, "big"))


@pytest.mark.parametrize("frame", [b"\x81\x011", masked(0x81, b"1")], ids=["not allowed", "asked for"])
async def test_a_close_frame_that_is_not_answered_is_not_waited_for(
    server: str, frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 7.1.1: whatever the client does, the connection ends."""
    monkeypatch.setattr(websocket, "CLOSE_WITHIN_S", 0.1)
    async with wire(server) as raw:
        raw.send(frame)
        assert (await raw.frame())[0] == 8
        async with asyncio.timeout(PATIENCE_S):
            assert await raw.reader.read() == b""
