"""What an older chat has stored is what this one goes on with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pulso.errors import ServiceError
from pulso.store import open_store
from services.chat.contract import Member, Message
from services.chat.rules import Wanted
from services.chat.store import MIGRATIONS, ChatStore

ANA = Member("u_ana", "Ana")
CAPITALS = "8B6A1C9E-4D2F-4C3B-9A5E-7F1D2C3B4A59"
OTHER = "0F6A1C9E-4D2F-4C3B-9A5E-7F1D2C3B4A59"


async def test_a_message_with_an_id_in_capitals_is_known_in_small_letters(tmp_path: Path) -> None:
    """Else who repeats it, not answered before the update, would send it twice."""
    before = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, before, ignore=shutil.ignore_patterns("0003_*"))
    await posted(tmp_path, before, CAPITALS, OTHER, OTHER.lower())
    answers = await posted(tmp_path, MIGRATIONS, CAPITALS.lower(), OTHER.lower())
    assert [(answer.seq, answer.id) for answer in answers if isinstance(answer, Message)] == [
        (1, CAPITALS.lower()),
        (3, OTHER.lower()),
    ]


async def posted(folder: Path, migrations: Path, *ids: str) -> Sequence[Message | ServiceError]:
    async with open_store(folder / "chat.sqlite3", migrations=migrations) as store:
        chat = ChatStore(store)
        await chat.load(["sala-1"])
        return (await chat.post([Wanted(id_, "sala-1", ANA, "olá", ()) for id_ in ids], 0)).answers
