"""Tests that measure seconds run while no other test does, though several workers share the run.

A test marked `alone` waits until all others have paused, and they wait for it. These tests come last, one after
the other, so that the rest is kept waiting once.
"""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final

import pytest

MARK: Final = "alone"


class Turns:
    """A plugin of each worker of a run. The locks are released by the system if a worker dies."""

    def __init__(self, run: str) -> None:
        folder = Path(tempfile.gettempdir())
        self._files = [folder / f"pulso-tests-{run}-{name}.lock" for name in ("door", "room")]
        self._door, self._room = (file.open("w", encoding="utf-8") for file in self._files)
        self._is_alone = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=_is_alone)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        if not self._is_alone:
            self.enter(alone=_is_alone(item))
        try:
            return (yield)
        finally:
            if not (self._is_alone and nextitem is not None and _is_alone(nextitem)):
                self.leave()

    def pytest_unconfigure(self) -> None:
        for lock in (self._door, self._room):
            lock.close()
        for file in self._files:
            file.unlink(missing_ok=True)

    def enter(self, *, alone: bool) -> None:
        # Who waits to be alone holds the door: without it the others would take turns in the room to the end.
        with _held(self._door):
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        self._is_alone = alone

    def leave(self) -> None:
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._is_alone = False


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARK) is not None


@contextlib.contextmanager
def _held(lock: IO[str]) -> Iterator[None]:
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
