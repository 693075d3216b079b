"""The table `last` on a real file."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from pulso.store import open_store
from services.numbers.contract import ValueAndStep
from services.numbers.store import MIGRATIONS, LastNumbers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[LastNumbers]:
    async with open_store(path, migrations=MIGRATIONS) as store:
        yield LastNumbers(store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.sqlite3"


async def test_a_value_begins_with_step_1_and_a_step_with_value_0(path: Path) -> None:
    async with opened(path) as last:
        await last.save_values({"ana": 37}, NOON, and_read=())
        await last.save_steps({"rui": 42}, NOON, and_read=())
        assert await last.read(["ana", "rui", "carla"]) == {"ana": ValueAndStep(37, 1), "rui": ValueAndStep(0, 42)}


async def test_a_value_leaves_the_step_alone_and_a_step_the_value(path: Path) -> None:
    async with opened(path) as last:
        await last.save_values({"ana": 37}, NOON, and_read=())
        await last.save_steps({"ana": 42}, NOON, and_read=())
        await last.save_values({"ana": 79}, NOON, and_read=())
        assert await last.read(["ana"]) == {"ana": ValueAndStep(79, 42)}


async def test_saving_tells_where_users_stand_by_that_very_commit(path: Path) -> None:
    async with opened(path) as last:
        await last.save_steps({"ana": 42}, NOON, and_read=())
        stand = await last.save_values({"ana": 37, "rui": 5}, NOON, and_read=["ana", "rui"])
        assert stand == {"ana": ValueAndStep(37, 42), "rui": ValueAndStep(5, 1)}


async def test_numbers_are_there_when_the_file_is_opened_again(path: Path) -> None:
    async with opened(path) as last:
        await last.save_values({"ana": 37}, NOON, and_read=())
    async with opened(path) as last:
        assert await last.read(["ana"]) == {"ana": ValueAndStep(37, 1)}


async def test_thousands_are_saved_and_read_at_once(path: Path) -> None:
    values = {f"u_{number}": number % 100 for number in range(2_345)}
    async with opened(path) as last:
        await last.save_values(values, NOON, and_read=())
        stand = await last.read(list(values))
    assert {user: number.value for user, number in stand.items()} == values


async def test_the_file_itself_refuses_what_is_out_of_range(path: Path) -> None:
    async with opened(path) as last:
        with pytest.raises(IntegrityError):
            await last.save_values({"ana": 100}, NOON, and_read=())
        assert await last.read(["ana"]) == {}
