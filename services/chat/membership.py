"""Entering and leaving rooms: commit, remember, move the user's connections, have the others told once.

The changes of one user come one after another, so that connections, members and what was told always agree.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.push import Push
from services.chat import contract, rules
from services.chat.contract import ROOM_TOPICS, InRoom, Member, Switched
from services.chat.outbox import Outbox
from services.chat.rooms import OpenRoom, Rooms
from services.chat.store import ChatStore
from services.chat.typists import Typists


class Membership:
    def __init__(
        self,
        rooms: Rooms,
        store: ChatStore,
        push: Push,
        outbox: Outbox,
        typists: Typists,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._push = push
        self._outbox = outbox
        self._typists = typists
        self._now = now
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    async def join(self, caller: Caller, room_id: str, *, after: int | None) -> InRoom:
        """The room as it is once the connection misses nothing of it. Raises `ServiceError`."""
        room = self._rooms.get(room_id)
        if room is None:
            raise ServiceError("not_found", "There is no such room.")
        async with self._turn_of(caller.id):
            await self._push.join(caller, room.topic)
            before = self._rooms.of(caller.id)
            if before is not room:
                try:
                    await self._enter(caller, room, before)
                except BaseException:
                    self.put_right(caller.id)
                    raise
            # Also where nothing changes: another connection may have missed it when it did.
            self._push.move_user(caller.id, among=ROOM_TOPICS, to=room.topic)
            return room.for_one_who_has(after)

    async def leave(self, caller: Caller) -> None:
        """Does nothing where the user is in no room."""
        async with self._turn_of(caller.id):
            if self._rooms.of(caller.id) is not None:
                await self._exit(caller.id)
                self._tell_other_tabs(caller, Switched(None))
            self._push.withdraw_user(caller.id, among=ROOM_TOPICS)

    async def gone(self, user: str, is_back: Callable[[], bool]) -> None:
        """The user has no connection any more, unless `is_back` says so by the time that it counts."""
        async with self._turn_of(user):
            if self._rooms.of(user) is not None and not is_back():
                await self._exit(user)

    def put_right(self, user: str) -> None:
        """No connection of the user follows a room that the user is not in, whatever its gateway has missed."""
        room = self._rooms.of(user)
        self._push.withdraw_user(user, among=ROOM_TOPICS, but=room.topic if room else "")

    async def _enter(self, caller: Caller, room: OpenRoom, before: OpenRoom | None) -> None:
        member = Member(caller.id, caller.name)
        left = before.id if before is not None else None
        moves = await self._store.put_member(member, room.id, left, rules.milliseconds(self._now()))
        self._typists.end(caller.id)
        self._rooms.put(member, room)
        self._outbox.put(moves)
        # First that the room is another one, then what is said in it.
        self._tell_other_tabs(caller, Switched(room.id))

    async def _exit(self, user: str) -> None:
        room = self._rooms.of(user)
        assert room is not None, "it is the user's turn"
        moves = await self._store.remove_member(room.members[user], room.id)
        self._typists.end(user)
        self._rooms.remove(user)
        self._outbox.put(moves)

    def _tell_other_tabs(self, caller: Caller, switched: Switched) -> None:
        """On the very topic that moves them: the order between the two is kept."""
        self._push.to_user(caller.id, contract.SWITCHED, switched, skip=caller.connection)

    @contextlib.asynccontextmanager
    async def _turn_of(self, user: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(user, asyncio.Lock())
        self._waiting[user] += 1
        try:
            async with turn:
                yield
        finally:
            self._waiting[user] -= 1
            if not self._waiting[user]:
                del self._waiting[user], self._turns[user]
