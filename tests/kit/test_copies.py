"""Copies of a running service's files: whole, of a moment after the asking, and no harm to the service."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pulso import copies
from pulso.contract import ANONYMOUS, Nothing
from pulso.copies import Copy, Drop, ReadChunk
from pulso.errors import ServiceError
from pulso.party import Connected
from pulso.settings import KitSettings
from pulso.store import StoreBusy, open_store
from services.numbers.__main__ import service as numbers_service
from services.numbers.contract import SET, SetValue
from services.numbers.store import MIGRATIONS
from services.settings import NumbersSettings
from tests.kit.echo import GUEST
from tests.services.serving import serving
from tests.waiting import eventually


@asynccontextmanager
async def numbers(kit: KitSettings) -> AsyncIterator[None]:
    async with serving(numbers_service(NumbersSettings()), kit) as health:
        await eventually(lambda: health.status() == "ready")
        yield


async def make(party: Connected) -> Copy:
    return await party.bus.call(party.bus.channels.files("numbers", 0), copies.MAKE, Nothing(), ANONYMOUS)


async def fetch(party: Connected, copy: Copy, target: Path) -> None:
    (file,) = copy.files
    channel = party.bus.channels.files("numbers", 0)
    data = b""
    while part := (
        await party.bus.call(channel, copies.READ, ReadChunk(copy.copy, file.name, len(data)), ANONYMOUS)
    ).data:
        data += part
    assert len(data) == file.size_bytes
    target.write_bytes(data)


async def set_value(party: Connected, user: str, value: int) -> None:
    caller = type(GUEST)(user, "Rui", "guest")
    await party.bus.call(party.bus.channels.service("numbers", 0), SET, SetValue(value), caller)


def values_in(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dict(connection.execute("SELECT user_id, value FROM last"))
    finally:
        connection.close()


async def test_all_that_was_answered_before_is_in_a_copy_made_under_load(
    kit: KitSettings, party: Connected, tmp_path: Path
) -> None:
    async with numbers(kit):
        acknowledged: dict[str, int] = {}
        copied = asyncio.Event()

        async def write(worker: int) -> None:
            count = 0
            while not copied.is_set():
                count += 1
                user = f"u_{worker}_{count}"
                await set_value(party, user, count % 100)
                acknowledged[user] = count % 100

        async with asyncio.TaskGroup() as group:
            for worker in range(20):
                group.create_task(write(worker))
            await eventually(lambda: len(acknowledged) > 200)
            for number in range(3):
                before = dict(acknowledged)
                copy = await make(party)
                await fetch(party, copy, tmp_path / f"copy-{number}.sqlite3")
                found = values_in(tmp_path / f"copy-{number}.sqlite3")
                assert before.items() <= found.items()
            copied.set()
        # The service went on meanwhile, and lost nothing.
        last = await make(party)
        await fetch(party, last, tmp_path / "last.sqlite3")
        assert acknowledged.items() <= values_in(tmp_path / "last.sqlite3").items()


async def test_the_lock_on_the_file_outlives_a_copy(kit: KitSettings, party: Connected) -> None:
    async with numbers(kit):
        await make(party)
        with pytest.raises(StoreBusy):
            async with open_store(Path(str(kit.data / "numbers.sqlite3")), migrations=MIGRATIONS):
                pass
        await set_value(party, "u_ana", 7)


async def test_a_copy_is_gone_once_it_was_dropped(kit: KitSettings, party: Connected) -> None:
    async with numbers(kit):
        copy = await make(party)
        channel = party.bus.channels.files("numbers", 0)
        assert list(kit.data.glob(f"{copies.FOLDER}*"))
        await party.bus.call(channel, copies.DROP, Drop(copy.copy), ANONYMOUS)
        assert not list(kit.data.glob(f"{copies.FOLDER}*"))
        with pytest.raises(ServiceError) as refused:
            await party.bus.call(channel, copies.READ, ReadChunk(copy.copy, "numbers.sqlite3", 0), ANONYMOUS)
        assert refused.value.code == "not_found"


async def test_nothing_but_the_files_of_a_copy_can_be_read(kit: KitSettings, party: Connected) -> None:
    async with numbers(kit):
        (kit.data / "pepper").write_text("secret", encoding="utf-8")
        copy = await make(party)
        channel = party.bus.channels.files("numbers", 0)
        for name in ("../pepper", "pepper", "/etc/hostname", ""):
            with pytest.raises(ServiceError) as refused:
                await party.bus.call(channel, copies.READ, ReadChunk(copy.copy, name, 0), ANONYMOUS)
            assert refused.value.code == "not_found"


async def test_what_an_earlier_life_has_left_is_removed(kit: KitSettings, party: Connected) -> None:
    left = kit.data / f"{copies.FOLDER}numbers-0-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "numbers.sqlite3").write_bytes(b"half")
    async with numbers(kit):
        assert not left.exists()


async def test_a_copy_that_nobody_fetches_is_removed(
    kit: KitSettings, party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "KEEP_S", 0.05)
    monkeypatch.setattr(copies, "LOOK_EVERY_S", 0.02)
    async with numbers(kit):
        await make(party)
        await eventually(lambda: not list(kit.data.glob(f"{copies.FOLDER}*")))


async def test_where_there_is_no_room_nothing_is_left_and_the_service_goes_on(
    kit: KitSettings, party: Connected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "bin"
    failing.mkdir()
    (failing / "cp").write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n", encoding="utf-8")
    (failing / "cp").chmod(0o700)
    monkeypatch.setenv("PATH", f"{failing}:/usr/bin:/bin")
    async with numbers(kit):
        with pytest.raises(ServiceError, match="no space left"):
            await make(party)
        assert not list(kit.data.glob(f"{copies.FOLDER}*"))
        await set_value(party, "u_ana", 7)
