"""What all sessions have to send in one turn of the event loop leaves at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol


class Flushed(Protocol):
    def send(self, frame: bytes) -> None: ...
    def flush(self) -> None: ...
    def flush_with(self, frame: bytes) -> None: ...


class TurnEnd:
    """Sessions with something to send. Each is flushed once, however many packets it got meanwhile.

    One write per session and turn instead of one per packet: in bursts of four to 500 clients a delivered packet
    costs 2 us instead of 8, because three quarters of a delivery is the kernel's part of a write.

    The turn's first broadcast, mostly its only one, is put off whole and goes straight to the transports at last.
    To put it into outboxes and to take it out again is a second walk over all members, each of which the kernel
    has driven out of the processor's cache: a twentieth of a delivery. Whatever is sent after it puts it in first.
    """

    __slots__ = ("_broadcast", "_is_begun", "_waiting", "put_off")

    def __init__(self) -> None:
        self._waiting: list[Flushed] = []
        self._broadcast = b""
        self.put_off: Sequence[Flushed] = ()
        """To whom the broadcast is still to go."""
        self._is_begun = False

    def add(self, session: Flushed) -> None:
        """The session has begun to fill its outbox."""
        if not self._is_begun:
            self._begin()
        self._waiting.append(session)

    def broadcast(self, frame: bytes, to: Sequence[Flushed]) -> None:
        """As `send` of each of them, and in order with it."""
        if self.put_off or len(to) == 1:
            for session in to:
                session.send(frame)
        else:
            if not self._is_begun:
                self._begin()
            self._broadcast, self.put_off = frame, to

    def settle(self) -> None:
        """Put what was put off into the outboxes: whatever a session sends from now on comes after it."""
        sessions, self.put_off = self.put_off, ()
        for session in sessions:
            session.send(self._broadcast)

    def _begin(self) -> None:
        self._is_begun = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_begun = False
        waiting, self._waiting = self._waiting, []
        sessions, self.put_off = self.put_off, ()
        for session in sessions:
            session.flush_with(self._broadcast)
        for session in waiting:
            session.flush()
