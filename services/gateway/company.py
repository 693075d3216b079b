"""Which users have a single connection, anywhere: nobody else need then be told what it has changed.

A gateway that begins to follow a user's own topic says hello on it, and Redis counts who hears. Where that is one,
no other gateway has the user; whoever hears the hello of another knows that it is not alone any more. What one
user's connections are told (`Push.to_others`) is then published only where there is somebody to tell: most users
have one tab, and a publication for each of their changes made up a third of the cost of a change.

Nothing is missed in between. Redis hands each gateway what was published in order, and a hello goes before the
greeting of the connection that it is for. A change is either committed before the service reads what it greets
with, or its telling comes to the gateway after the hello, where `alone` is asked once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pulso.bus import Bus
from pulso.message import Hello
from pulso.push import USER_TOPIC
from services.gateway.connection import Connection

COUNT_AGAIN_S: Final = 20.0
"""How often those are counted again who were not alone: the other gateway may have lost them since."""
PARTS: Final = 20
"""It is done in so many parts, so that thousands of users are no burst."""


@dataclass(slots=True)
class _Known:
    """What is known of one user. Until it was counted, somebody else may be there."""

    connections: list[Connection] = field(default_factory=list)
    elsewhere: bool = True
    hellos: int = 0


class Company:
    """The users of this gateway's connections, each with its company. `run` counts again from time to time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._users: dict[str, _Known] = {}
        self.alone: set[str] = set()
        """The users of whom one connection is all there is, anywhere."""
        bus.link.on_lost(self._lost)
        bus.link.on_gap(lambda: self._count(self._users))

    def add(self, connection: Connection) -> None:
        """The connection's gateway follows the user's topic by now."""
        user = connection.caller.id
        known = self._users.get(user)
        if known is None:
            known = self._users[user] = _Known()
            self._count((user,))
        known.connections.append(connection)
        self._mark(user, known)

    def remove(self, connection: Connection) -> None:
        user = connection.caller.id
        known = self._users.get(user)
        if known is not None and connection in known.connections:
            known.connections.remove(connection)
            self._mark(user, known)
            if not known.connections:
                del self._users[user]

    def heard(self, user: str, hello: Hello) -> None:
        known = self._users.get(user)
        if known is not None and hello.inbox != self._bus.inbox:
            known.elsewhere = True
            known.hellos += 1
            self._mark(user, known)

    async def run(self) -> None:
        while True:
            users = list(self._users)
            for part in range(PARTS):
                await asyncio.sleep(COUNT_AGAIN_S / PARTS)
                self._count(users[part::PARTS])

    def _count(self, users: Iterable[str]) -> None:
        """Those of these users who may not be alone, with one write."""
        hailed = [
            (self._bus.channels.topic(USER_TOPIC + user), self._on_count(user, known))
            for user in users
            if (known := self._users.get(user)) is not None and known.elsewhere
        ]
        if hailed:
            self._bus.hail(hailed, Hello(self._bus.inbox))

    def _on_count(self, user: str, known: _Known) -> Callable[[int], None]:
        before = known.hellos

        def on_count(count: int) -> None:
            # A hello that came meanwhile is of one who was not there yet to be counted.
            if count == 1 and known.hellos == before and self._users.get(user) is known:
                known.elsewhere = False
                self._mark(user, known)

        return on_count

    def _lost(self) -> None:
        """Who says hello now is not heard."""
        for user, known in self._users.items():
            known.elsewhere = True
            known.hellos += 1
            self._mark(user, known)

    def _mark(self, user: str, known: _Known) -> None:
        is_alone = not known.elsewhere and len(known.connections) == 1
        if is_alone:
            self.alone.add(user)
        else:
            self.alone.discard(user)
        for connection in known.connections:
            if connection.caller.is_alone is not is_alone:
                connection.become(msgspec.structs.replace(connection.caller, is_alone=is_alone))
