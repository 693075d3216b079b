"""The source: a JSON Lines file that anything may append to, read as it grows, through truncation and rotation.

Everything here blocks and belongs in a thread. A file is known by device and inode, and its position by the bytes
just before it: where they are others, the file was written anew. Whenever in doubt it is read from its start,
which costs time and nothing else, because ids that are known are passed over.

- Cut, or written anew in place: read from its start.
- Renamed, with a new file in its place: the old one is read to its end, and looked after for a while, because a
  writer may still have it open. Renamed while nobody read: it is found under its new name in the same folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from services.sales.lines import Line, Lines

READ_BYTES: Final = 256 * 1024
BEFORE_BYTES: Final = 4096
"""Some records' worth, with their ids: what ends in other ones is another file, though it be as long."""
LOOKED_AFTER_S: Final = 60.0
"""How long a renamed file is still read after it has grown for the last time."""
MAX_LOOKED_AFTER: Final = 8

log = structlog.get_logger(__name__)


class Position(NamedTuple):
    """How far a file was read: the offset behind a line, that line's number, a digest of what is before it."""

    file: str
    offset: int
    line: int
    before: bytes


class Read(NamedTuple):
    """Lines of one file and the position behind them. Of a file that `is_over` nothing more will be read."""

    lines: list[Line]
    position: Position
    is_over: bool = False


class Source:
    """One reader of the file at `path`, from the stored `positions` on."""

    def __init__(
        self, path: Path, positions: Mapping[str, Position], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._positions = dict(positions)
        self._clock = clock
        self._current: _File | None = None
        self._renamed: list[_File] = []
        self._turn = threading.Lock()
        self._is_closed = False
        self._has_looked = False

    @property
    def position(self) -> Position | None:
        """Of the file that is the source now; None where there is none."""
        current = self._current
        return current.position if current is not None else None

    def read(self) -> Read | None:
        """What is new, a bounded part of it; None where nothing is. Raises OSError."""
        with self._turn:
            if self._is_closed:
                return None
            if not self._has_looked:
                self._find_renamed()
                self._has_looked = True
            return self._read_renamed() or self._read_current() or self._read_next()

    def close(self) -> None:
        with self._turn:
            self._is_closed = True
            for file in (*self._renamed, *((self._current,) if self._current else ())):
                file.close()

    def _read_renamed(self) -> Read | None:
        for file in self._renamed:
            if found := file.read():
                return found
        for file in self._renamed:
            is_old = self._clock() - file.grew_at > LOOKED_AFTER_S
            if is_old or len(self._renamed) > MAX_LOOKED_AFTER:
                self._renamed.remove(file)
                return file.finish()
        return None

    def _read_current(self) -> Read | None:
        return self._current.read() if self._current is not None else None

    def _read_next(self) -> Read | None:
        """The current file has nothing new: is there another one in its place?"""
        try:
            if self._current is not None and _id_of(self.path.stat()) == self._current.id:
                return None
            file = _File.open(self.path, self._positions, self._clock)
        except FileNotFoundError:
            return None
        if self._current is not None:
            log.info("the source is another file now", path=str(self.path))
            self._renamed.append(self._current)
        self._current = file
        return file.read()

    def _find_renamed(self) -> None:
        """Files that were the source, read in part, and have other names by now."""
        try:
            present = _id_of(self.path.stat())
        except OSError:
            present = ""
        wanted = self._positions.keys() - {present}
        if not wanted:
            return
        for entry in os.scandir(self.path.parent):
            if entry.is_file(follow_symlinks=False) and _id_of(entry.stat(follow_symlinks=False)) in wanted:
                file = _File.open(Path(entry.path), self._positions, self._clock)
                if file.position.offset:
                    self._renamed.append(file)
                else:  # not what it was: the inode was used again
                    file.close()


class _File:
    """One open file."""

    def __init__(self, descriptor: int, id_: str, clock: Callable[[], float]) -> None:
        self.id = id_
        self._descriptor = descriptor
        self._clock = clock
        self._lines = Lines()
        self._before = b""
        self._last = b""
        self._seen = (0, 0)
        self.grew_at = clock()

    @classmethod
    def open(cls, path: Path, positions: Mapping[str, Position], clock: Callable[[], float]) -> _File:
        """At its stored position, where that still fits. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block without
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no regular file")
        file = cls(descriptor, _id_of(found), clock)
        stored = positions.get(file.id)
        if stored is not None:
            file._lines = Lines(offset=stored.offset, number=stored.line)
            file._before = file._last = stored.before
            file._check(found)
        return file

    @property
    def position(self) -> Position:
        return Position(self.id, self._lines.offset, self._lines.number, self._before)

    def read(self) -> Read | None:
        found = os.fstat(self._descriptor)
        if self._seen == (found.st_size, found.st_mtime_ns) and found.st_size == self._lines.read:
            return None
        self._check(found)
        self._seen = (found.st_size, found.st_mtime_ns)
        data = os.pread(self._descriptor, READ_BYTES, self._lines.read)
        if not data:
            return None
        self.grew_at = self._clock()
        lines = self._lines.feed(data)
        self._before = self._digest_before(self._lines.offset)
        self._last = self._digest_before(self._lines.read)
        return Read(lines, self.position)

    def finish(self) -> Read:
        """Nothing more will come: a last line without its newline is taken as it is."""
        rest = self._lines.rest()
        position = self.position
        self.close()
        return Read([rest] if rest else [], position, is_over=True)

    def close(self) -> None:
        os.close(self._descriptor)

    def _check(self, found: os.stat_result) -> None:
        """Read from the start what is shorter than it was, or not what it was."""
        if found.st_size >= self._lines.read and self._digest_before(self._lines.read) == self._last:
            return
        log.info("the source was written anew: it is read from its start", file=self.id)
        self._lines = Lines()
        self._before = self._last = b""

    def _digest_before(self, offset: int) -> bytes:
        size = min(BEFORE_BYTES, offset)
        if not size:
            return b""
        return hashlib.blake2b(os.pread(self._descriptor, size, offset - size), digest_size=16).digest()


def _id_of(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"
