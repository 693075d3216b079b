"""Who is there: users with a connection at any gateway, and for a while those whose last one has just gone.

A service follows the feed of connections (`pulso.connections`) with `attending`:

    async with attending(context.bus, observer, grace_s=5.0, known=members) as attendance: ...

- A user is there from the first connection on until the grace after the last one is over: a reload, or a change to
  another gateway, is no leaving. `left` is called once then; whoever was `known` from before and does not turn up
  leaves in the same way, so that a restarted service forgets nobody.
- A gateway that was killed is found out within `LEASE_S`; the grace of its users runs from the moment at which it
  should have been heard, so that they leave within `LEASE_S` plus the grace.
- While Redis is away nobody leaves: nothing can be known then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Final, Protocol

import msgspec
import structlog

from pulso.bus import Bus
from pulso.connections import ANNOUNCED, ROLL_CALL, Announcement, OpenConnection, RollCall
from pulso.holdings import Holdings
from pulso.message import Envelope, Tell
from pulso.party import running

SETTLE_S: Final = 2.0
"""How long a service that starts waits for the gateways to say what they hold."""
LOOK_EVERY_S: Final = 0.2
LATE_S: Final = 1.0
"""A look that comes this much too late finds announcements unread that came in time."""

_NOBODY: Final[Mapping[str, OpenConnection]] = {}

log = structlog.get_logger(__name__)


class Observer(Protocol):
    """Who is told what happens. Called in the reader or between: nothing here may wait."""

    def opened(self, connection: OpenConnection) -> None: ...

    def closed(self, connection: OpenConnection) -> None: ...

    def left(self, user: str) -> None:
        """The grace after the user's last connection is over."""


class Attendance:
    """Users and their connections. Times are the loop's."""

    def __init__(self, observer: Observer, *, grace_s: float) -> None:
        self._observer = observer
        self._grace_s = grace_s
        self._here: dict[str, dict[str, OpenConnection]] = {}
        self._leaving: dict[str, float] = {}

    def connections(self, user: str) -> Collection[OpenConnection]:
        """Those that are open now; none during the grace."""
        return self._here.get(user, _NOBODY).values()

    def is_there(self, user: str) -> bool:
        """With a connection, or within the grace."""
        return user in self._here or user in self._leaving

    def opened(self, connection: OpenConnection) -> None:
        self._leaving.pop(connection.user, None)
        self._here.setdefault(connection.user, {})[connection.id] = connection
        self._observer.opened(connection)

    def closed(self, connection: OpenConnection, at: float) -> None:
        connections = self._here.get(connection.user, {})
        if connections.pop(connection.id, None) is None:
            return
        if not connections:
            del self._here[connection.user]
            self._leaving[connection.user] = at + self._grace_s
        self._observer.closed(connection)

    def remember(self, users: Iterable[str], now: float) -> None:
        """These were there: those who are not now, begin to leave."""
        for user in users:
            if user not in self._here:
                self._leaving.setdefault(user, now + self._grace_s)

    def hold_on(self, now: float) -> None:
        """Nobody could be heard until now: who was about to leave may have come back."""
        for user, due in self._leaving.items():
            self._leaving[user] = max(due, now + self._grace_s)

    def see_off(self, now: float) -> None:
        """Those whose grace is over have left."""
        for user in [user for user, due in self._leaving.items() if due <= now]:
            del self._leaving[user]
            self._observer.left(user)


@contextlib.asynccontextmanager
async def attending(
    bus: Bus,
    observer: Observer,
    *,
    grace_s: float,
    known: Collection[str] = (),
    known_gateways: Collection[str] = (),
) -> AsyncIterator[Attendance]:
    """Follow the feed meanwhile. Begins once every gateway has said what it holds, `SETTLE_S` later at the most.

    `known` are the users who were there when the service was last running, `known_gateways` those that held their
    connections, where the service has kept that: they are waited for.
    """
    attendance = Attendance(observer, grace_s=grace_s)
    follower = _Follower(bus, attendance)
    await bus.listen(bus.channels.connections, follower.accept)
    try:
        await follower.settle(known_gateways)
        attendance.remember(known, asyncio.get_running_loop().time())
        async with running(follower.run()):
            yield attendance
    finally:
        bus.unlisten(bus.channels.connections)


class _Follower:
    """Between the bus and the books."""

    def __init__(self, bus: Bus, attendance: Attendance) -> None:
        self._bus = bus
        self._attendance = attendance
        self._holdings = Holdings(attendance, self._ask)
        self._loop = asyncio.get_running_loop()
        self._said = asyncio.Event()
        self._decoder = msgspec.msgpack.Decoder(Announcement)

    def accept(self, batch: list[Envelope]) -> None:
        now = self._loop.time()
        for envelope in batch:
            if isinstance(envelope, Tell) and envelope.event == ANNOUNCED:
                try:
                    said = self._decoder.decode(envelope.payload)
                except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
                    log.warning("announcement not understood", fault=str(fault))
                    continue
                self._holdings.take(said, now)
        self._said.set()

    def _ask(self, gateway: str) -> None:
        self._bus.send(self._bus.channels.control, Tell(ROLL_CALL, _roll_call(gateway)))

    async def settle(self, gateways: Collection[str]) -> None:
        """Returns once all gateways have listed what they hold, as many as there are, and these among them."""
        expected = await self._call_the_roll()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while len(self._holdings.listed) < expected or not self._holdings.listed.issuperset(gateways):
                    self._said.clear()
                    await self._said.wait()

    async def run(self) -> None:
        """Find out who has gone, until cancelled."""
        was_up = True
        looked_at = self._loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = self._loop.time()
            is_up = self._bus.link.is_up
            is_late = now - looked_at > LOOK_EVERY_S + LATE_S
            looked_at = now
            if not is_up or not was_up or is_late:
                self._holdings.hold_on(now)
                self._attendance.hold_on(now)
                if is_up:
                    await self._call_the_roll()
            else:
                self._holdings.expire(now)
                self._attendance.see_off(now)
            was_up = is_up

    async def _call_the_roll(self) -> int:
        """Ask every gateway for a list; returns how many were asked, 0 where Redis is away."""
        return await self._bus.announce(self._bus.channels.control, ROLL_CALL, _roll_call())


def _roll_call(gateway: str = "") -> bytes:
    return msgspec.msgpack.encode(RollCall(gateway))
