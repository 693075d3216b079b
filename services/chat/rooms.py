"""The rooms as they were last committed, in memory: who is in them, and their last messages.

It spares the store a read for each join and each message. Nothing in it is ahead of a commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.chat import rules
from services.chat.contract import ROOM, InRoom, Member, Message, Room
from services.chat.rows import Kept
from services.chat.rules import MAX_MISSED


@dataclass(slots=True)
class OpenRoom:
    id: str
    seq: int
    tail: deque[Message]
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        return ROOM.of(room=self.id)

    def shown(self) -> Room:
        return Room(self.id, rules.room_name(self.id), len(self.members), self.seq)

    def for_one_who_has(self, after: int | None) -> InRoom:
        messages, gap = rules.missed([*self.tail], self.seq, after)
        return InRoom(self.id, rules.by_name(self.members.values()), messages, self.seq, gap)


class Rooms:
    def __init__(self, kept: Kept) -> None:
        self._rooms = {id_: OpenRoom(id_, row.seq, deque(row.tail, MAX_MISSED)) for id_, row in kept.rooms.items()}
        self._room_of: dict[str, OpenRoom] = {}
        for id_, members in kept.members.items():
            for member in members:
                self.put(member, self._rooms[id_])

    def all(self) -> list[OpenRoom]:
        return list(self._rooms.values())

    def get(self, id_: str) -> OpenRoom | None:
        return self._rooms.get(id_)

    def of(self, user: str) -> OpenRoom | None:
        """The one room that the user is in."""
        return self._room_of.get(user)

    def users(self) -> list[str]:
        return list(self._room_of)

    def put(self, member: Member, room: OpenRoom) -> None:
        self.remove(member.id)
        room.members[member.id] = member
        self._room_of[member.id] = room

    def remove(self, user: str) -> None:
        room = self._room_of.pop(user, None)
        if room is not None:
            del room.members[user]

    def add(self, messages: Sequence[Message]) -> None:
        """These were committed, in this order."""
        for message in messages:
            room = self._rooms[message.room]
            room.tail.append(message)
            room.seq = message.seq
