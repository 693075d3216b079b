"""Rooms with their counters, messages and members: their SQL.

Everything here raises `ServiceError("unavailable")` where the store cannot do its part; nothing is changed then.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.store import Store
from services.chat import rules
from services.chat.contract import File, Member, Message
from services.chat.rows import FileRow, Kept, Move, RoomRow
from services.chat.rules import MAX_MISSED, Posting, Wanted
from services.chat.store.tables import FILES, MEMBERS, MESSAGES, MOVES, ROOMS, UPLOADS, slices


class ChatStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self, rooms: Sequence[str]) -> Kept:
        """Open these rooms, those that are new empty; whoever is in another one is in none from now on."""

        async def change(connection: AsyncConnection) -> Kept:
            there = set((await connection.execute(select(ROOMS.c.id))).scalars())
            if new := [room for room in rooms if room not in there]:
                await connection.execute(insert(ROOMS), [{"id": r, "seq": 0, "published_seq": 0} for r in new])
            await connection.execute(delete(MEMBERS).where(MEMBERS.c.room_id.not_in(rooms)))
            return Kept(
                await _prefix(connection),
                {room: await _room(connection, room) for room in rooms},
                await _members_of(connection, rooms),
                await _unpublished(connection, rooms),
            )

        return await self._store.write(change)

    async def post(self, wanted: Sequence[Wanted], at_ms: int) -> Posting:
        """Store these messages together; returns after the commit."""

        async def change(connection: AsyncConnection) -> Posting:
            seqs = {row.id: row.seq for row in await connection.execute(select(ROOMS.c.id, ROOMS.c.seq))}
            posting = rules.post(
                wanted,
                stored={message.id: message for message in await _by_id(connection, wanted)},
                files={row.file.id: row for row in await _named(connection, wanted)},
                seqs=seqs,
                at=rules.iso(at_ms),
            )
            await _add(connection, posting, at_ms)
            return posting

        return await self._store.write(change)

    async def history(self, room: str, *, before: int | None, after: int | None, limit: int) -> list[Message]:
        """In order: the last ones before `before`; where `after` is given, the first ones after it."""
        bounds: list[ColumnElement[bool]] = [MESSAGES.c.room_id == room]
        bounds += [] if before is None else [MESSAGES.c.seq < before]
        bounds += [] if after is None else [MESSAGES.c.seq > after]
        order = MESSAGES.c.seq.desc() if after is None else MESSAGES.c.seq
        async with self._store.read() as connection:
            found = await _select(connection, *bounds, order=order, limit=limit)
        return found[::-1] if after is None else found

    async def mark_published(self, last: Mapping[str, int], moves: Collection[str] = ()) -> None:
        """All messages of these rooms up to these numbers were passed on, and the moves of these ids."""
        rows = [{"room": room, "last": seq} for room, seq in last.items()]
        done = update(ROOMS).where(ROOMS.c.id == bindparam("room")).values(published_seq=bindparam("last"))

        async def change(connection: AsyncConnection) -> None:
            if rows:
                await connection.execute(done, rows)
            for some in slices(moves):
                await connection.execute(delete(MOVES).where(MOVES.c.id.in_(some)))

        await self._store.write(change)

    async def put_member(self, member: Member, room: str, before: str | None, at_ms: int) -> list[Move]:
        """The user is in this room and in no other; returns what `before`, if any, and this one are to be told."""
        row = {"user_id": member.id, "name": member.name, "room_id": room, "since_ms": at_ms}
        moves = [] if before is None else [_move(before, member, came=False)]
        moves.append(_move(room, member, came=True))

        async def change(connection: AsyncConnection) -> list[Move]:
            await connection.execute(delete(MEMBERS).where(MEMBERS.c.user_id == member.id))
            await connection.execute(insert(MEMBERS), [row])
            await _keep_moves(connection, moves)
            return moves

        return await self._store.write(change)

    async def remove_member(self, member: Member, room: str) -> list[Move]:
        """The user is in no room; returns what this one is to be told."""
        moves = [_move(room, member, came=False)]

        async def change(connection: AsyncConnection) -> list[Move]:
            await connection.execute(delete(MEMBERS).where(MEMBERS.c.user_id == member.id))
            await _keep_moves(connection, moves)
            return moves

        return await self._store.write(change)


async def _prefix(connection: AsyncConnection) -> str:
    """Made with the database: several of them may share a folder of uploads."""
    found = (await connection.execute(select(UPLOADS.c.prefix))).scalar_one_or_none()
    if found is None:
        found = f"chat-{secrets.token_hex(4)}"
        await connection.execute(insert(UPLOADS).values(prefix=found))
    return str(found)


async def _room(connection: AsyncConnection, room: str) -> RoomRow:
    found = await connection.execute(select(ROOMS.c.seq, ROOMS.c.published_seq).where(ROOMS.c.id == room))
    seq, published = found.one()
    of_room = MESSAGES.c.room_id == room
    tail = await _select(connection, of_room, order=MESSAGES.c.seq.desc(), limit=MAX_MISSED)
    return RoomRow(seq, published, tail[::-1])


async def _members_of(connection: AsyncConnection, rooms: Iterable[str]) -> dict[str, list[Member]]:
    members: dict[str, list[Member]] = {room: [] for room in rooms}
    for room, user, name in await connection.execute(select(MEMBERS.c.room_id, MEMBERS.c.user_id, MEMBERS.c.name)):
        members[room].append(Member(user, name))
    return members


async def _unpublished(connection: AsyncConnection, rooms: Sequence[str]) -> list[Message | Move]:
    """Of all rooms, each room's in the order of their commits.

    A move stands behind the message that was the last one when it was made, and behind the moves before it.
    """
    found: list[tuple[int, Message | Move]] = [
        (message.seq, message) for message in await _unpublished_messages(connection, rooms)
    ]
    found += [
        (row.after_seq, Move(row.id, row.room_id, Member(row.user_id, row.name), row.came))
        for row in await connection.execute(select(MOVES).order_by(MOVES.c.number))
    ]
    return [one for _, one in sorted(found, key=itemgetter(0))]


async def _unpublished_messages(connection: AsyncConnection, rooms: Sequence[str]) -> list[Message]:
    query = (
        select(MESSAGES)
        .join(ROOMS, ROOMS.c.id == MESSAGES.c.room_id)
        .where(MESSAGES.c.seq > ROOMS.c.published_seq, ROOMS.c.id.in_(rooms))
        .order_by(MESSAGES.c.room_id, MESSAGES.c.seq)
    )
    return [_message(row) for row in (await connection.execute(query)).mappings()]


def _move(room: str, member: Member, *, came: bool) -> Move:
    # Not the row's number: a restored database would use it again, and gateways would take it for a repetition.
    return Move(str(uuid.uuid4()), room, member, came)


async def _keep_moves(connection: AsyncConnection, moves: Sequence[Move]) -> None:
    rows = [
        {
            "id": move.id,
            "room_id": move.room,
            "user_id": move.member.id,
            "name": move.member.name,
            "came": move.came,
            "in_room": move.room,
        }
        for move in moves
    ]
    last = select(ROOMS.c.seq).where(ROOMS.c.id == bindparam("in_room")).scalar_subquery()
    await connection.execute(insert(MOVES).values(after_seq=last), rows)


async def _by_id(connection: AsyncConnection, wanted: Sequence[Wanted]) -> list[Message]:
    found: list[Message] = []
    for some in slices({one.id for one in wanted}):
        found += await _select(connection, MESSAGES.c.id.in_(some))
    return found


async def _named(connection: AsyncConnection, wanted: Sequence[Wanted]) -> list[FileRow]:
    """The files that these messages name, as far as they are there."""
    rows: list[FileRow] = []
    for some in slices({id_ for one in wanted for id_ in one.files}):
        found = await connection.execute(select(FILES).where(FILES.c.id.in_(some)))
        rows += [_file(row) for row in found.mappings()]
    return rows


async def _add(connection: AsyncConnection, posting: Posting, at_ms: int) -> None:
    if not posting.new:
        return
    rows = [
        {
            "room_id": message.room,
            "seq": message.seq,
            "id": message.id,
            "author_id": message.author.id,
            "author_name": message.author.name,
            "text": message.text,
            "files": msgspec.json.encode(message.files).decode(),
            "at_ms": at_ms,
        }
        for message in posting.new
    ]
    await connection.execute(insert(MESSAGES), rows)
    last = {message.room: message.seq for message in posting.new}
    await connection.execute(
        update(ROOMS).where(ROOMS.c.id == bindparam("room")).values(seq=bindparam("last")),
        [{"room": room, "last": seq} for room, seq in last.items()],
    )
    if posting.claims:
        await connection.execute(
            update(FILES).where(FILES.c.id == bindparam("file")).values(message_id=bindparam("message")),
            [{"file": file, "message": message} for file, message in posting.claims.items()],
        )


async def _select(
    connection: AsyncConnection, *which: ColumnElement[bool], order: Any = None, limit: int | None = None
) -> list[Message]:
    query = select(MESSAGES).where(*which).order_by(order).limit(limit)
    return [_message(row) for row in (await connection.execute(query)).mappings()]


def _message(row: RowMapping) -> Message:
    files = msgspec.json.decode(row["files"], type=list[File])
    author = Member(row["author_id"], row["author_name"])
    return Message(row["seq"], row["id"], row["room_id"], author, row["text"], files, rules.iso(row["at_ms"]))


def _file(row: RowMapping) -> FileRow:
    url = rules.url_of(row["stored_name"])
    file = File(row["id"], row["filename"], url, row["type"], row["size"])
    return FileRow(row["owner_id"], file, row["message_id"])
