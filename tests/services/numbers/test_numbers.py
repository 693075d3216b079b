"""One shard's state: nothing is remembered or told ahead of its commit, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy.exc import IntegrityError

from pulso.contract import Caller, Event
from pulso.push import Push
from pulso.store import Store, open_store
from services.numbers.active import ACTIVE_FOR_S, Active
from services.numbers.contract import ValueAndStep
from services.numbers.numbers import Change, Numbers
from services.numbers.store import MIGRATIONS, LastNumbers
from services.numbers.worker import Worker
from tests.ticking import Ticking

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANA = Caller("ana", "Ana", "user", connection="tab-1", gateway="g")


@dataclass
class Told:
    """Stands in for `Push`."""

    values: list[ValueAndStep] = field(default_factory=list)

    def to_others(self, _event: Event[ValueAndStep], told: Iterable[tuple[Caller, ValueAndStep]]) -> None:
        self.values += [value for _, value in told]


@dataclass
class Shard:
    store: Store
    active: Active
    clock: Ticking
    told: Told
    numbers: Numbers


@pytest.fixture
async def shard(tmp_path: Path) -> AsyncIterator[Shard]:
    clock, told = Ticking(), Told()
    active = Active(clock=clock)
    async with open_store(tmp_path / "numbers.sqlite3", migrations=MIGRATIONS) as store:
        push, chance = cast(Push, told), random.SystemRandom()
        with contextlib.closing(Worker()) as worker:
            numbers = Numbers(LastNumbers(store), active, push, worker, chance=chance, now=lambda: NOON)
            yield Shard(store, active, clock, told, numbers)


async def test_nothing_is_remembered_or_told_before_the_commit(shard: Shard) -> None:
    async with shard.store.read():  # no commit meanwhile
        change = asyncio.create_task(shard.numbers.change("value", [Change(ANA, 37)]))
        await asyncio.wait([change], timeout=0.05)
        assert shard.active.rows() == []
        assert shard.told.values == []
    await change
    assert shard.told.values == [ValueAndStep(37, 1)]


async def test_what_cannot_be_stored_is_neither_remembered_nor_told(shard: Shard) -> None:
    with pytest.raises(IntegrityError):
        await shard.numbers.change("value", [Change(ANA, 100)])
    assert shard.told.values == []
    assert await shard.numbers.standings(["ana"]) == {"ana": ValueAndStep(0, 1)}


async def test_user_forgotten_while_a_change_is_under_way_keeps_the_other_number(shard: Shard) -> None:
    await shard.numbers.change("step", [Change(ANA, 42)])
    async with shard.store.read():
        change = asyncio.create_task(shard.numbers.change("value", [Change(ANA, 37)]))
        await asyncio.sleep(0)  # it begins
        shard.clock.seconds += ACTIVE_FOR_S + 1
        assert shard.active.rows() == []
    await change
    assert shard.told.values[-1] == ValueAndStep(37, 42)
    assert await shard.numbers.standings(["ana"]) == {"ana": ValueAndStep(37, 42)}


async def test_value_and_step_of_a_forgotten_user_at_once_are_both_remembered(shard: Shard) -> None:
    async with shard.store.read():
        changes = [
            asyncio.create_task(shard.numbers.change("value", [Change(ANA, 37)])),
            asyncio.create_task(shard.numbers.change("step", [Change(ANA, 42)])),
        ]
        await asyncio.sleep(0)  # they begin
    await asyncio.gather(*changes)
    assert shard.told.values[-1] == ValueAndStep(37, 42)
    assert await shard.numbers.standings(["ana"]) == {"ana": ValueAndStep(37, 42)}
    shard.clock.seconds += ACTIVE_FOR_S + 1
    shard.active.rows()
    assert await shard.numbers.standings(["ana"]) == {"ana": ValueAndStep(37, 42)}
