"""What chat's store takes and gives. Times are whole milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.chat.contract import File, Member, Message


@dataclass(frozen=True, slots=True)
class FileRow:
    """An uploaded file; `message_id` is the message that names it, None until one does."""

    owner_id: str
    file: File
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody came into a room, or went, and the others are to be told; `id` is this telling's own."""

    id: str
    room: str
    member: Member
    came: bool


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A room as it was when the service was last running; `tail` are its last messages."""

    seq: int
    published_seq: int
    tail: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a start begins with: rooms, members by room, and what perhaps nobody was told of.

    `unpublished` has each room's in the order in which they were committed. `prefix` is what the names of this
    database's files begin with, and of no other's.
    """

    prefix: str
    rooms: Mapping[str, RoomRow]
    members: Mapping[str, Sequence[Member]]
    unpublished: Sequence[Message | Move]
