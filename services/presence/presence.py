"""What is noted of who comes and goes, and the way it takes: commit, remember, tell, commit that it was told.

What happens while a commit is under way is gathered for the next one, so that ten thousand people who come back at
once share a few. A crash between commit and telling is made up for at the next start: nobody's coming or going is
forgotten, though it may be told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Final

import structlog

from pulso.connections import OpenConnection
from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.push import Push
from services.presence import contract
from services.presence.contract import CameOrWent, Changed, ListPeople, People
from services.presence.people import Everybody, Here, newcomer
from services.presence.store import Book, Stored

CHANGED_EVERY_S: Final = 1.0
SAVE_AGAIN_S: Final = 0.5

log = structlog.get_logger(__name__)


class Presence:
    """An observer of the attendance (`pulso.attendance`): it is told in the reader, and only takes notes there."""

    def __init__(self, book: Book, push: Push, stored: Stored) -> None:
        self._book = book
        self._push = push
        people = [Here(*row) for row in stored.people]
        self._everybody = Everybody(here for here in people if here.told)
        # What is noted and not yet committed. Connections by id: their user, and None where they are closed.
        # Those that were open when the service ended are closed, unless a gateway says otherwise.
        self._connections: dict[str, tuple[str, OpenConnection | None]] = {
            id_: (user, None) for id_, user in stored.connections.items()
        }
        self._arriving = {here.id: here for here in people if not here.told}
        self._leaving: dict[str, None] = {}  # in the order in which they are told
        self._noted = asyncio.Event()
        # Whose connections are others than the watchers know, the longest waiting first.
        self._moved: dict[str, None] = {}
        self._news = asyncio.Event()

    def opened(self, connection: OpenConnection) -> None:
        user = connection.user
        self._connections[connection.id] = (user, connection)
        self._leaving.pop(user, None)
        here = self._everybody.get(user) or self._arriving.get(user)
        if here is None:
            self._arriving[user] = newcomer(connection)
        else:
            self._everybody.rename(here, connection.name, connection.kind)
        self._noted.set()

    def closed(self, connection: OpenConnection) -> None:
        self._connections[connection.id] = (connection.user, None)
        self._noted.set()

    def left(self, user: str) -> None:
        self._leaving[user] = None
        self._noted.set()

    def listed(self, request: ListPeople) -> People:
        return self._everybody.listed(request)

    async def watch(self, caller: Caller, request: ListPeople) -> People:
        """The list as it stands when the caller already hears of what comes after it. Raises `ServiceError`."""
        await self._push.join(caller, contract.PEOPLE.name)
        return self.listed(request)

    async def unwatch(self, caller: Caller) -> None:
        await self._push.leave(caller, contract.PEOPLE.name)

    async def run(self) -> None:
        """Commit and tell whatever is noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self.take_over()

    async def take_over(self) -> None:
        """Commit what is noted, and tell it. Returns once both are done, however long the store is in trouble."""
        connections, self._connections = self._connections, {}
        arriving = list(self._arriving.values())
        opened = [connection for _, connection in connections.values() if connection is not None]
        closed = [id_ for id_, (_, connection) in connections.items() if connection is None]
        await _patiently(lambda: self._book.save(opened, closed, [here.row() for here in arriving]))
        # From here on nothing waits: the list changes together with what is told of it.
        for here in arriving:
            del self._arriving[here.id]
            here.told = True
            self._everybody.add(here)
        gone = self._gone()
        for id_, (user, connection) in connections.items():
            self._move(user, id_, connection)
        self._tell(arriving, gone)
        if arriving or gone:
            joined, left = [here.id for here in arriving], [here.id for here in gone]
            await _patiently(lambda: self._book.save_told(joined, left))

    async def tell_changes(self) -> None:
        """Once a second at most tell who has other connections now, until cancelled."""
        while True:
            await self._news.wait()
            users = list(islice(self._moved, contract.MAX_LISTED))
            for user in users:
                del self._moved[user]
            if not self._moved:
                self._news.clear()
            people = [here.shown() for user in users if (here := self._everybody.get(user)) is not None]
            changed = Changed(people, len(self._everybody))
            self._push.to_topic(contract.PEOPLE.name, contract.CHANGED, changed)
            await asyncio.sleep(CHANGED_EVERY_S)

    def _gone(self) -> list[Here]:
        """Those who have left are here no more; whoever arrived during the commit leaves after the next one."""
        leaving = self._leaving
        self._leaving = {user: None for user in leaving if user in self._arriving}
        return [here for user in leaving if (here := self._everybody.remove(user)) is not None]

    def _move(self, user: str, id_: str, connection: OpenConnection | None) -> None:
        here = self._everybody.get(user)
        if here is None:
            return
        if connection is not None:
            here.gateways[id_] = connection.gateway
        else:
            here.gateways.pop(id_, None)
        self._moved[user] = None
        self._news.set()

    def _tell(self, joined: Iterable[Here], left: Iterable[Here]) -> None:
        for event, people in ((contract.JOINED, joined), (contract.LEFT, left)):
            for here in people:
                self._push.to_topic(contract.PEOPLE.name, event, CameOrWent(here.person()))
                self._moved[here.id] = None
                self._news.set()


async def _patiently(save: Callable[[], Awaitable[None]]) -> None:
    """Again and again until it is stored: a full disk delays the news, and loses none."""
    while True:
        try:
            await save()
        except ServiceError as error:
            log.error("presence is not stored", fault=error.message)
            await asyncio.sleep(SAVE_AGAIN_S)
        else:
            return
