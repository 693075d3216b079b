"""The service on a real bus: what is appended is served once, in order, at once, and after any restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from pulso.contract import Nothing
from pulso.errors import ServiceError
from pulso.settings import KitSettings
from services.sales import changes, contract
from services.sales.contract import RecordsRequest
from services.sales.lines import Line
from services.sales.rules import iso_of, milliseconds, record_of
from services.settings import SalesSettings
from tests.conftest import REPOSITORY
from tests.services.sales.conftest import RUI, Gateway, gateway_on, served
from tests.services.sales.made import append, sale
from tests.waiting import at_most, eventually


@pytest.mark.quiet
async def test_what_is_appended_is_served_in_order_within_a_second(gateway: Gateway, source: Path) -> None:
    first = sale()
    append(source, first)
    page = await gateway.records(wait=5)
    assert [msgspec.to_builtins(record) for record in page.records] == [first]
    more = [sale() for _ in range(3)]
    async with at_most(1.0):
        append(source, *more)
        ids = await gateway.has(4)
    assert ids[1:] == [record["id"] for record in more]


async def test_pages_follow_one_another_without_a_gap(gateway: Gateway, source: Path) -> None:
    records = [sale() for _ in range(25)]
    append(source, *records)
    await gateway.has(25)
    first = await gateway.records(limit=10)
    second = await gateway.records(first.next, limit=10)
    third = await gateway.records(second.next, limit=10)
    assert [record.id for page in (first, second, third) for record in page.records] == [r["id"] for r in records]
    assert (await gateway.records(third.next)).next == third.next, "a cursor is stable"
    assert await gateway.records(first.next, limit=10) == second


async def test_an_id_counts_once_wherever_it_comes_again(gateway: Gateway, source: Path) -> None:
    twice = sale()
    append(source, twice, sale(), {**twice, "quantity": 9, "total_cents": 1})
    await gateway.has(2)
    append(source, twice, last := sale())
    ids = await gateway.has(3)
    assert ids[-1] == last["id"]
    assert (await gateway.records()).records[0].quantity == twice["quantity"], "the first one counts"
    assert (await gateway.source()).duplicates == 2


async def test_broken_lines_are_passed_over_counted_and_kept(gateway: Gateway, source: Path) -> None:
    append(source, sale(), b"{broken\n", b"\n", b"\xff\n", sale(quantity=0), sale())
    assert len(await gateway.has(2)) == 2
    report = await gateway.source()
    assert (report.state, report.line, report.offset) == ("reading", 6, source.stat().st_size)
    assert (report.records, report.broken) == (2, 3)
    assert [(broken.line, broken.excerpt[:7]) for broken in report.broken_lines] == [
        (5, '{"id": '),
        (4, "�"),
        (2, "{broken"),
    ]
    assert all(broken.reason for broken in report.broken_lines)


async def test_only_the_last_broken_lines_are_kept(gateway: Gateway, source: Path) -> None:
    append(source, *[b"nonsense\n"] * 250, sale())
    await gateway.has(1)
    report = await gateway.source()
    assert report.broken == 250
    assert [broken.line for broken in report.broken_lines] == list(range(250, 150, -1))


async def test_a_half_written_line_waits(gateway: Gateway, source: Path) -> None:
    whole = sale(seller="João")
    data = msgspec.json.encode(whole) + b"\n"
    append(source, sale(), data[:70])
    assert len(await gateway.has(1)) == 1
    append(source, data[70:])
    assert (await gateway.has(2))[1] == whole["id"]
    assert (await gateway.source()).broken == 0


async def test_cutting_and_renaming_lose_nothing(gateway: Gateway, source: Path) -> None:
    records = [sale() for _ in range(6)]
    append(source, *records[:2])
    await gateway.has(2)
    os.truncate(source, 0)
    append(source, *records[2:4])
    await gateway.has(4)
    source.rename(source.with_suffix(".1"))
    append(source, *records[4:])
    assert await gateway.has(6) == [record["id"] for record in records]


async def test_a_restart_neither_loses_nor_repeats(kit: KitSettings, source: Path) -> None:
    records = [sale() for _ in range(10)]
    async with gateway_on(kit) as gateway:
        async with served(kit):
            append(source, *records[:5], b"broken\n")
            await gateway.has(5)
            cursor = (await gateway.records()).next
        append(source, *records[5:])
        async with served(kit):
            assert await gateway.has(10) == [record["id"] for record in records]
            page = await gateway.records(cursor)
            assert [record.id for record in page.records] == [record["id"] for record in records[5:]]
            report = await gateway.source()
            assert (report.duplicates, report.broken) == (0, 1), "nothing was read twice"


async def test_a_request_waits_for_the_next_record(gateway: Gateway, source: Path) -> None:
    cursor = (await gateway.records()).next
    waiting = asyncio.create_task(gateway.records(cursor, wait=20))
    empty = await gateway.records(cursor, wait=0.05)
    assert (empty.records, empty.next) == ([], cursor)
    append(source, sold := sale())
    assert [record.id for record in (await waiting).records] == [sold["id"]]


async def test_whoever_waits_too_often_is_answered_at_once(gateway: Gateway, source: Path) -> None:
    cursor = (await gateway.records()).next
    waiting = [asyncio.create_task(gateway.records(cursor, wait=20)) for _ in range(20)]
    await asyncio.gather(*(gateway.records() for _ in range(2)))  # by then those have arrived
    assert (await gateway.records(cursor, wait=20)).records == []
    append(source, sale())
    assert [len(page.records) for page in await asyncio.gather(*waiting)] == [1] * 20


@pytest.mark.quiet
async def test_a_service_that_stops_answers_those_who_wait(kit: KitSettings) -> None:
    async with gateway_on(kit) as gateway:
        async with contextlib.AsyncExitStack() as serving:
            await serving.enter_async_context(served(kit))
            await gateway.serves()
            cursor = (await gateway.records()).next
            waiting = asyncio.create_task(gateway.records(cursor, wait=30))
            await gateway.records()
            async with at_most(4.0):
                await serving.aclose()
        assert (await waiting).next == cursor


@pytest.mark.parametrize("cursor", ["x", "AAAA", "Ünïcode", "=" * 28, "A" * 28, "../../etc/passwd"])
async def test_junk_cursors_are_refused(gateway: Gateway, cursor: str) -> None:
    with pytest.raises(ServiceError) as refused:
        await gateway.records(cursor)
    assert refused.value.code == "bad_request"


async def test_a_cursor_of_a_feed_that_was_lost_is_refused(kit: KitSettings, source: Path) -> None:
    append(source, sale())
    async with gateway_on(kit) as gateway:
        async with served(kit):
            await gateway.has(1)
            cursor = (await gateway.records()).next
        for file in kit.data.glob("sales.sqlite3*"):
            file.unlink()
        async with served(kit):
            await gateway.has(1)
            with pytest.raises(ServiceError) as refused:
                await gateway.records(cursor)
    assert refused.value.code == "bad_request"


@pytest.mark.parametrize("limit", [0, 1001, -1])
async def test_limits_are_kept(gateway: Gateway, limit: int) -> None:
    with pytest.raises(ServiceError) as refused:
        await gateway.call(contract.RECORDS, RecordsRequest(limit=limit))
    assert refused.value.code == "bad_request"


async def test_only_admins_see_how_the_source_is_read(gateway: Gateway) -> None:
    with pytest.raises(ServiceError) as refused:
        await gateway.call(contract.SOURCE, Nothing(), RUI)
    assert refused.value.code == "forbidden"


async def test_watchers_are_told_each_record_once_in_order(gateway: Gateway, source: Path) -> None:
    await gateway.call(contract.WATCH, Nothing(), gateway.watcher())
    assert gateway.members == ["tab-1"]
    await gateway.follow()
    records = [sale() for _ in range(130)]  # more than one part
    append(source, *records)
    await eventually(lambda: len(gateway.sales_told()) >= 130)
    assert [msgspec.to_builtins(told) for told in gateway.sales_told()] == records
    await gateway.call(contract.UNWATCH, Nothing(), gateway.watcher())
    assert gateway.members == []


async def test_a_summary_adds_up_and_is_the_same_after_a_restart(kit: KitSettings, source: Path) -> None:
    now = iso_of(milliseconds(datetime.now(UTC)))
    async with gateway_on(kit) as gateway:
        async with served(kit):
            append(source, *(sale(sold_at=now, quantity=n, total_cents=100 * n) for n in range(1, 5)), sale())
            await gateway.has(5)
            summary = await gateway.summary(15)
            assert msgspec.to_builtins(summary.totals) == {"sales": 4, "quantity": 10, "total_cents": 1000}
            assert sum(minute.total_cents for minute in summary.series) == 1000
            assert len(summary.series) == 15
            assert len(summary.latest) == 5
        async with served(kit):
            await gateway.serves()
            again = await gateway.summary(15)
    assert (again.totals, again.products, again.latest) == (summary.totals, summary.products, summary.latest)


async def test_a_generator_writes_to_the_source_where_it_is_switched_on(kit: KitSettings, source: Path) -> None:
    async with gateway_on(kit) as gateway, served(kit, SalesSettings(sales_generator="0.05")):
        assert len(await gateway.has(5)) >= 5
    assert len(source.read_bytes().splitlines()) >= 5


async def test_a_source_elsewhere_is_read_once_it_is_there(kit: KitSettings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "till" / "sales.jsonl"
    async with gateway_on(kit) as gateway, served(kit, SalesSettings(sales_source=str(elsewhere))):
        await gateway.serves()
        assert (await gateway.source()).state == "waiting for the file"
        elsewhere.parent.mkdir()
        append(elsewhere, sold := sale())
        assert await gateway.has(1) == [sold["id"]]


async def test_where_files_cannot_be_watched_they_are_looked_at(
    kit: KitSettings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("inotify: no space left on device")

    monkeypatch.setattr(changes, "awatch", refuse)
    async with gateway_on(kit) as gateway, served(kit):
        append(source, sale())
        await gateway.has(1)
        append(source, sale())
        assert len((await gateway.records((await gateway.records(limit=1)).next, wait=5)).records) == 1


def test_the_record_in_the_documentation_is_one() -> None:
    text = (REPOSITORY / "docs" / "sales.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert msgspec.to_builtins(record_of(Line(1, 0, shown.encode())).sale) == json.loads(shown)
