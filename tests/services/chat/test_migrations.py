"""What an older chat has stored is what this one goes on with."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.errors import ServiceError
from pulso.store import open_store
from services.chat.contract import Member, Message
from services.chat.rules import Wanted
from services.chat.store import MIGRATIONS, ChatStore
from services.chat.store.tables import MESSAGES, MOVES, ROOMS

ANA = Member("u_ana", "Ana")
CAPITALS = "8B6A1C9E-4D2F-4C3B-9A5E-7F1D2C3B4A59"
OTHER = "0F6A1C9E-4D2F-4C3B-9A5E-7F1D2C3B4A59"


async def test_a_message_with_an_id_in_capitals_is_known_in_small_letters(tmp_path: Path) -> None:
    """Else who repeats it, not answered before the update, would send it twice."""
    async with older(tmp_path, "0003_*", "0004_*") as connection:
        for seq, id_ in enumerate((CAPITALS, OTHER, OTHER.lower()), 1):
            await connection.execute(insert(MESSAGES).values(row(seq, id_)))
    answers = await posted(tmp_path, CAPITALS.lower(), OTHER.lower())
    assert [(answer.seq, answer.id) for answer in answers if isinstance(answer, Message)] == [
        (1, CAPITALS.lower()),
        (3, OTHER.lower()),
    ]


async def test_who_came_before_the_update_and_was_not_told_of_is_told_of_last(tmp_path: Path) -> None:
    """Before what was told already it would pass for told."""
    async with older(tmp_path, "0004_*") as connection:
        move = {"id": "x", "room_id": "sala-1", "user_id": ANA.id, "name": ANA.name, "came": True}
        await connection.execute(insert(MOVES).values(move))
        await connection.execute(update(ROOMS).values(published_seq=2))
        await connection.execute(insert(MESSAGES).values(row(3, CAPITALS)))
    async with open_store(tmp_path / "chat.sqlite3", migrations=MIGRATIONS) as store:
        left = (await ChatStore(store).load(["sala-1"])).unpublished
    assert [one.id for one in left] == [CAPITALS, "x"]


@contextlib.asynccontextmanager
async def older(folder: Path, *newer: str) -> AsyncIterator[AsyncConnection]:
    """The database as it was before these migrations, with a room that has three messages, to be filled."""
    before = folder / "migrations"
    shutil.copytree(MIGRATIONS, before, ignore=shutil.ignore_patterns(*newer))
    async with open_store(folder / "chat.sqlite3", migrations=before) as store, store.read() as connection:
        await connection.execute(insert(ROOMS), [{"id": "sala-1", "seq": 3, "published_seq": 0}])
        yield connection
        await connection.commit()


def row(seq: int, id_: str) -> dict[str, Any]:
    by = {"author_id": ANA.id, "author_name": ANA.name}
    return {"room_id": "sala-1", "seq": seq, "id": id_, **by, "text": "olá", "files": "[]", "at_ms": 0}


async def posted(folder: Path, *ids: str) -> Sequence[Message | ServiceError]:
    async with open_store(folder / "chat.sqlite3", migrations=MIGRATIONS) as store:
        chat = ChatStore(store)
        await chat.load(["sala-1"])
        return (await chat.post([Wanted(id_, "sala-1", ANA, "olá", ()) for id_ in ids], 0)).answers
