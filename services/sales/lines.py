"""Bytes in, whole lines out: the pure core of the tail reader.

However the bytes are split, the same lines come out. What has no newline yet waits; a line that is longer than any
record is not kept while it waits, and comes out without its text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_LINE_BYTES: Final = 64 * 1024

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line without its newline: its number from 1, and the offset of what follows it in the file.

    `text` is None where the line is longer than `MAX_LINE_BYTES`.
    """

    number: int
    end: int
    text: bytes | None


class Lines:
    """The lines of one file from an offset on, which is the end of the line `number`."""

    def __init__(self, *, offset: int = 0, number: int = 0, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.offset = offset
        """The end of the last line that came out: from there the file can be read again."""
        self.number = number
        self._max_bytes = max_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    @property
    def read(self) -> int:
        """The offset of the byte that is to be fed next."""
        return self.offset + self._waiting_bytes

    def feed(self, data: bytes) -> list[Line]:
        """The lines that these bytes complete."""
        first, *others = data.split(b"\n")
        if not others:
            self._wait(first)
            return []
        self._wait(first)
        lines = [self._completed()]
        for piece in others[:-1]:
            self._wait(piece)
            lines.append(self._completed())
        self._wait(others[-1])
        return lines

    def rest(self) -> Line | None:
        """What waits, as a line: the file is known to get no more. None where nothing does."""
        if not self._waiting_bytes:
            return None
        line = self._completed()
        self.offset -= 1  # there is no newline
        return line._replace(end=self.offset)

    def _wait(self, piece: bytes) -> None:
        if piece:
            self._waiting_bytes += len(piece)
            if self._waiting_bytes <= self._max_bytes:
                self._waiting.append(piece)
            else:
                self._waiting.clear()

    def _completed(self) -> Line:
        text = b"".join(self._waiting) if self._waiting_bytes <= self._max_bytes else None
        self.offset += self._waiting_bytes + 1
        self.number += 1
        self._waiting.clear()
        self._waiting_bytes = 0
        if text is not None and self.number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        return Line(self.number, self.offset, text)
