"""Tests that measure seconds run while the machine has time for them, though several workers share the run.

A test marked `alone` waits until all others have paused, and they wait for it. Those marked `quiet` share the
machine with their like alone, as many as there are processors: a process that is killed is missed for seconds in
which hardly anybody computes. These tests come last, so that the rest is kept waiting once.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final

import pytest

TRY_AGAIN_S: Final = 0.02


class Kind(enum.IntEnum):
    """In the order in which they run."""

    ORDINARY = 0
    QUIET = 1
    ALONE = 2


class Turns:
    """A plugin of each worker of a run. The locks are released by the system if a worker dies."""

    def __init__(self, run: str, *, seats: int | None = None) -> None:
        folder = Path(tempfile.gettempdir())
        names = ["door", "room", *(f"seat-{number}" for number in range(seats or os.cpu_count() or 1))]
        self._files = [folder / f"pulso-tests-{run}-{name}.lock" for name in names]
        self._door, self._room, *self._seats = (file.open("w", encoding="utf-8") for file in self._files)
        self._kind = Kind.ORDINARY

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=_kind)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        kind = _kind(item)
        if kind is Kind.ORDINARY or kind is not self._kind:
            self.enter(kind)
        try:
            return (yield)
        finally:
            # Who measures goes on to measure, so that the others are kept waiting once.
            if kind is Kind.ORDINARY or nextitem is None or _kind(nextitem) is not kind:
                self.leave()

    def pytest_unconfigure(self) -> None:
        for lock in (self._door, self._room, *self._seats):
            lock.close()
        for file in self._files:
            file.unlink(missing_ok=True)

    def enter(self, kind: Kind) -> None:
        """Ordinary tests hold the room together; the others hold seats, one or all, while nobody has the room."""
        # Who waits to be alone holds the door: without it the others would take turns in the room to the end.
        with _held(self._door):
            if kind is Kind.ORDINARY:
                self._take_seats()
                fcntl.flock(self._room, fcntl.LOCK_SH)
                self._leave_seats()
            else:
                with _held(self._room):
                    self._take_a_seat() if kind is Kind.QUIET else self._take_seats()
        self._kind = kind

    def leave(self) -> None:
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._leave_seats()
        self._kind = Kind.ORDINARY

    def _take_seats(self) -> None:
        for seat in self._seats:
            fcntl.flock(seat, fcntl.LOCK_EX)

    def _take_a_seat(self) -> None:
        while True:
            for seat in self._seats:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
            time.sleep(TRY_AGAIN_S)

    def _leave_seats(self) -> None:
        for seat in self._seats:
            fcntl.flock(seat, fcntl.LOCK_UN)


def _kind(item: pytest.Item) -> Kind:
    return next(
        (kind for kind in (Kind.ALONE, Kind.QUIET) if item.get_closest_marker(kind.name.lower())), Kind.ORDINARY
    )


@contextlib.contextmanager
def _held(lock: IO[str]) -> Iterator[None]:
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
