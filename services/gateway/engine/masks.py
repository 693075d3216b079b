"""A client's frames as they arrive: whether they are masked, and what stands in small ones, as nearly all are.

They must be masked, and aiohttp's reader takes those that are not, too.
"""

from __future__ import annotations

from typing import Final

from aiohttp._websocket.helpers import websocket_mask

_FINAL_TEXT: Final = 0x81
_FINAL: Final = 0x80
_CONTROL: Final = 0x08
_OPCODE: Final = 0x0F
_WHOLE: Final = frozenset(range(_FINAL + 1, _FINAL + 16))
"""First bytes of frames that neither begin a message in pieces nor go on with one."""
_MASKED: Final = 0x80
_KEY_BYTES: Final = 4
_LENGTH_BYTES: Final = {126: 2, 127: 8}
_LONGEST: Final = 10
"""Bytes of the longest header, without its key."""
_SHORT: Final = 2 + _KEY_BYTES
"""Bytes of the shortest masked frame; one with a byte less than 126 of payload is that much longer."""


class MaskWatch:
    """Follows the frame headers of one connection through whatever chunks they arrive in (RFC 6455, section 5.1).

    A chunk that is one small frame, which nearly all are, costs 0.15 us.
    """

    __slots__ = ("_head", "_in_pieces", "_left", "frames", "others")

    def __init__(self) -> None:
        self.frames = 0
        """Frames seen, but for those that went past by `text_in`; whoever counts them may set it."""
        self.others = 0
        """Frames seen that are no message and do not begin one: pings, pongs, closes, further pieces."""
        self._in_pieces = False
        """Whether a message has begun whose last frame has not come yet."""
        self._left = 0
        """Bytes of the present frame that have not come yet."""
        self._head = b""
        """The part of a frame's header that has."""

    def text_in(self, data: bytes) -> bytes | None:
        """What this chunk says where it is one small text frame and nothing else, as nearly all are; not decoded.

        None for anything else. Nothing is changed by asking: the chunk may still go to `holds` and to the reader,
        by way of which a message costs 1.6 us more.
        """
        size = len(data) - _SHORT
        if (
            not 0 <= size < 126
            or data[0] != _FINAL_TEXT
            or data[1] != _MASKED + size
            or self._left
            or self._head
            or self._in_pieces
        ):
            return None
        text = bytearray(data[_SHORT:])
        websocket_mask(data[2:_SHORT], text)
        return bytes(text)

    def holds(self, data: bytes) -> bool:
        """False once a frame is not masked."""
        size = len(data)
        if (
            not (self._left or self._head)
            and 0 <= size - _SHORT < 126
            and data[1] == _MASKED + size - _SHORT
            and data[0] in _WHOLE
        ):
            self.frames += 1
            if data[0] & _CONTROL:
                self.others += 1
            return True
        data = self._head + data if self._head else data
        self._head = b""
        size, at = len(data), self._left
        while at < size:
            header = data[at : at + _LONGEST]
            if len(header) < 2 or len(header) < 2 + _LENGTH_BYTES.get(header[1] & ~_MASKED, 0):
                self._head = header
                at = size
            elif header[1] & _MASKED:
                self.frames += 1
                if header[0] & _CONTROL:
                    self.others += 1
                else:
                    self.others += not header[0] & _OPCODE
                    self._in_pieces = not header[0] & _FINAL
                at += _size_of(header)
            else:
                return False
        self._left = at - size
        return True


def _size_of(header: bytes) -> int:
    """All bytes of a masked frame (section 5.2)."""
    length = header[1] & ~_MASKED
    more = _LENGTH_BYTES.get(length, 0)
    return 2 + more + _KEY_BYTES + (int.from_bytes(header[2 : 2 + more], "big") if more else length)
