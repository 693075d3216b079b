"""Who is typing: one start and one end are told for each user, however often a client says so, or forgets to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.chat.contract import Member
from services.chat.rooms import OpenRoom

EXPIRES_S: Final = 6.0

Tell = Callable[[OpenRoom, Member, bool], None]


@dataclass(slots=True)
class _Typist:
    member: Member
    room: OpenRoom
    connection: str
    expires: asyncio.TimerHandle


class Typists:
    def __init__(self, tell: Tell, *, expires_s: float = EXPIRES_S) -> None:
        self._tell = tell
        self._expires_s = expires_s
        self._typists: dict[str, _Typist] = {}

    def begin(self, member: Member, room: OpenRoom, connection: str) -> None:
        """The user types, or goes on typing."""
        typist = self._typists.get(member.id)
        if typist is not None and typist.room is room:
            typist.expires.cancel()
        else:
            self.end(member.id)
            self._tell(room, member, True)
        expires = asyncio.get_running_loop().call_later(self._expires_s, self.end, member.id)
        self._typists[member.id] = _Typist(member, room, connection, expires)

    def end(self, user: str) -> None:
        typist = self._typists.pop(user, None)
        if typist is not None:
            typist.expires.cancel()
            self._tell(typist.room, typist.member, False)

    def connection_closed(self, user: str, connection: str) -> None:
        """The user types no more where this was the connection that said so last."""
        typist = self._typists.get(user)
        if typist is not None and typist.connection == connection:
            self.end(user)

    def end_all(self) -> None:
        for user in list(self._typists):
            self.end(user)
