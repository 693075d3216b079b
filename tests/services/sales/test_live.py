"""What watchers are told, and that what they ask fits to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pulso.contract import Event
from services.sales import contract, live
from services.sales.contract import Sale
from services.sales.lines import Line
from services.sales.live import Live
from services.sales.rules import Taken, record_of
from services.sales.sums import Sums
from tests.services.sales.made import sale
from tests.waiting import eventually

NOW = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)


class Told:
    """Stands where the gateways are."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def to_topic(self, topic: str, event: Event[Any], payload: Any) -> None:
        assert topic == contract.FEED.name
        self.events.append((event.name, payload))

    @property
    def ids(self) -> list[str]:
        return [payload.id for _, payload in self.events if isinstance(payload, Sale)]

    @property
    def gaps(self) -> int:
        return [name for name, _ in self.events].count(contract.GAP.name)


def some(count: int) -> list[Taken]:
    return [record_of(Line(1, 0, msgspec.json.encode(sale()))) for _ in range(count)]


@contextlib.asynccontextmanager
async def telling() -> AsyncIterator[tuple[Live, Told]]:
    told = Told()
    running = Live(Sums(), [], told, lambda: NOW)  # type: ignore[arg-type]  # as much of Push as is needed
    task = asyncio.create_task(running.run())
    try:
        await eventually(lambda: told.gaps == 1)  # who watched before is told that something may be missing
        yield running, told
    finally:
        task.cancel()


async def test_a_burst_leaves_in_parts_and_whole() -> None:
    async with telling() as (running, told):
        records = some(3 * live.PART)
        running.add(records)
        await eventually(lambda: told.ids)
        assert len(told.ids) == live.PART, "one part in one turn"
        await eventually(lambda: len(told.ids) == len(records))
        assert told.ids == [record.sale.id for record in records]
        assert told.gaps == 1


async def test_the_summary_for_a_watcher_holds_what_it_was_told_and_no_more() -> None:
    async with telling() as (running, told):
        running.add(some(3 * live.PART))
        while len(told.ids) < 3 * live.PART:
            summary = running.summary(15, as_told=True)
            assert summary.totals.sales == len(told.ids)
            assert [record.id for record in summary.latest] == told.ids[-contract.LATEST :]
            assert running.summary(15, as_told=False).totals.sales == 3 * live.PART
            await asyncio.sleep(0)
        assert running.summary(15, as_told=True) == running.summary(15, as_told=False)


async def test_of_more_than_can_be_told_the_oldest_are_passed_over_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "MAX_UNTOLD", 100)
    monkeypatch.setattr(live, "GAP_EVERY_S", 0.01)
    async with telling() as (running, told):
        records = some(1000)
        for begin in range(0, 1000, 10):
            running.add(records[begin : begin + 10])
        await eventually(lambda: len(told.ids) == 100)
        assert told.ids == [record.sale.id for record in records[-100:]]
        assert told.gaps == 2, "told once, however much was passed over"
        assert running.summary(15, as_told=True).totals.sales == 1000


async def test_summaries_of_every_length_do_not_fill_the_memory() -> None:
    async with telling() as (running, _told):
        for minutes in range(1, 1441, 7):
            assert len(running.summary(minutes, as_told=True).series) == minutes
        assert len(running._summaries) <= live.MAX_SUMMARIES
