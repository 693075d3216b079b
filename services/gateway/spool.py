"""A gateway's batches on the disk, in order, until they are committed elsewhere.

Written without a sync: they outlive the process, however it ends, but not the machine's power. A spool belongs to
whoever holds its lock; that of a process that is gone can be opened by the next one.

Every method blocks: call them in a thread, one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import structlog

SEGMENT_BYTES: Final = 4 << 20
"""A file is followed by the next one once it is larger than this, and removed once all in it is committed."""
ROLL_BYTES: Final = 1 << 20
"""A file that is still written to is given up once it is larger than this and all in it is committed."""

_LOCK: Final = "lock"
_SUFFIX: Final = ".batches"
_HEADER: Final = struct.Struct(">QIII")
"""Before each batch: its number, its count of records, its length and its CRC-32."""

log = structlog.get_logger(__name__)


class SpoolTaken(Exception):
    """Another process has the spool open."""


class Batch(NamedTuple):
    """`number` grows with each batch of a gateway; `records` is how many are in `data`."""

    number: int
    records: int
    data: bytes


@dataclass(slots=True)
class _Segment:
    """One file. `size_bytes` is what is valid of it: a process may have been killed in the middle of a write."""

    path: Path
    last: int
    records: int
    size_bytes: int


class Spool:
    """At most `most_bytes` (and one segment) are kept: what is over that drops the oldest, and is logged."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        """Raises `SpoolTaken`, and `OSError` where the folder cannot be made."""
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / _LOCK)
        self._segments = [_scanned(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
        self._file: BinaryIO | None = None

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    def append(self, batches: Sequence[Batch]) -> int:
        """All of them or none; returns how many records were dropped for them. Raises `OSError`."""
        segment = self._writable(batches[0].number)
        file = self._file
        assert file is not None, "just opened"
        data = b"".join(part for batch in batches for part in (_header(batch), batch.data))
        try:
            if file.write(data) < len(data):
                raise OSError("the disk took a part only")
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(segment.size_bytes)
                file.seek(segment.size_bytes)
            raise
        segment.size_bytes += len(data)
        segment.last = batches[-1].number
        segment.records += sum(batch.records for batch in batches)
        return self._drop_oldest()

    def read(self, after: int, most_bytes: int) -> list[Batch]:
        """The batches after this number, in order, until they have so many bytes. A broken one is left out."""
        found: list[Batch] = []
        size_bytes = 0
        for segment in self._segments:
            if segment.last <= after:
                continue
            for batch in _batches(segment, after):
                found.append(batch)
                size_bytes += len(batch.data)
                if size_bytes >= most_bytes:
                    return found
        return found

    def forget(self, upto: int) -> None:
        """The batches up to this number are committed."""
        while self._segments and self._segments[0].last <= upto:
            is_written_to = self._file is not None and len(self._segments) == 1
            if is_written_to and self._segments[0].size_bytes < ROLL_BYTES:
                return
            self._remove_first()

    def close(self, committed: int) -> None:
        """Let go of it; nothing is left of it where all is committed."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.forget(committed)
        if not self._segments:
            (self._folder / _LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self._folder.rmdir()
        self._lock.close()

    def _writable(self, number: int) -> _Segment:
        if self._file is not None and self._segments[-1].size_bytes >= SEGMENT_BYTES:
            self._file.close()
            self._file = None
        if self._file is None:
            path = self._folder / f"{number:020d}{_SUFFIX}"
            self._file = path.open("wb", buffering=0)
            self._segments.append(_Segment(path, number - 1, 0, 0))
        return self._segments[-1]

    def _drop_oldest(self) -> int:
        dropped = 0
        while len(self._segments) > 1 and self.size_bytes > self._most_bytes:
            dropped += self._segments[0].records
            self._remove_first()
        return dropped

    def _remove_first(self) -> None:
        segment = self._segments.pop(0)
        if not self._segments and self._file is not None:
            self._file.close()
            self._file = None
        segment.path.unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last owner may have removed it between our opening and our lock: then it guards nothing.
        if os.fstat(file.fileno()).st_nlink == 0:
            raise BlockingIOError
    except BlockingIOError:
        file.close()
        raise SpoolTaken(f"{path} is locked by another process") from None
    return file


def _header(batch: Batch) -> bytes:
    return _HEADER.pack(batch.number, batch.records, len(batch.data), zlib.crc32(batch.data))


def _scanned(path: Path) -> _Segment:
    """A segment that was found: as far as its batches are whole."""
    segment = _Segment(path, 0, 0, path.stat().st_size)
    end = 0
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            number, records, length, _ = _HEADER.unpack(header)
            if file.tell() + length > segment.size_bytes:
                break
            segment.last = number
            segment.records += records
            end = file.seek(length, os.SEEK_CUR)
    segment.size_bytes = end
    return segment


def _batches(segment: _Segment, after: int) -> Iterator[Batch]:
    with segment.path.open("rb") as file:
        while file.tell() < segment.size_bytes:
            number, records, length, checksum = _HEADER.unpack(file.read(_HEADER.size))
            if number <= after:
                file.seek(length, os.SEEK_CUR)
                continue
            data = file.read(length)
            if zlib.crc32(data) == checksum:
                yield Batch(number, records, data)
            else:
                log.error("a journal batch on the disk is broken", file=str(segment.path), number=number)
