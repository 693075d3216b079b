"""Changes share commits, keep their order, and fail alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso import store as store_module
from pulso.errors import ServiceError
from pulso.rows import Many, Rows
from pulso.store import Store, open_store
from tests.kit.store.conftest import THINGS, names, put
from tests.waiting import PATIENCE_S


async def test_changes_that_wait_share_one_commit(
    file: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(file, migrations=migrations) as store:
        commits = store._commits
        before = commits._value.get()
        await asyncio.gather(*(store.write(put(f"{number:03}")) for number in range(100)))
        assert commits._value.get() == before + 1
        assert len(await names(store)) == 100


async def test_changes_keep_their_order(file: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_CHANGES", 7)
    order: list[int] = []

    def note(number: int) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def change(_connection: AsyncConnection) -> None:
            order.append(number)

        return change

    async with open_store(file, migrations=migrations) as store:
        await asyncio.gather(*(store.write(note(number)) for number in range(50)))
    assert order == list(range(50))


async def test_change_that_fails_fails_alone(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        outcomes = await asyncio.gather(
            *(store.write(put(name)) for name in ("a", "b", "a", "c")), return_exceptions=True
        )
        assert isinstance(outcomes[2], IntegrityError)
        assert [outcomes[0], outcomes[1], outcomes[3]] == ["a", "b", "c"]
        assert await names(store) == ["a", "b", "c"]


@pytest.mark.parametrize("fault", [KeyError, asyncio.CancelledError, ServiceError])
async def test_change_that_raises_halfway_changes_nothing(
    file: Path, migrations: Path, fault: type[BaseException]
) -> None:
    raised = fault("conflict", "no") if fault is ServiceError else fault()

    async def half(connection: AsyncConnection) -> None:
        await put("half")(connection)
        raise raised

    async with asyncio.timeout(PATIENCE_S), open_store(file, migrations=migrations) as store:
        outcomes = await asyncio.gather(store.write(put("a")), store.write(half), return_exceptions=True)
        assert outcomes[0] == "a"
        assert isinstance(outcomes[1], BaseException)
        assert await store.write(put("b")) == "b"
        assert await names(store) == ["a", "b"]


async def test_full_disk_is_unavailable_and_then_works_again(file: Path, migrations: Path) -> None:
    def limit(pages: int) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def change(connection: AsyncConnection) -> None:
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        return change

    async with open_store(file, migrations=migrations) as store:
        await store.write(put("before"))
        await store.write(limit(8))
        outcomes = await asyncio.gather(
            store.write(put("large", body=bytes(100_000))), store.write(put("small")), return_exceptions=True
        )
        assert isinstance(outcomes[0], ServiceError)
        assert outcomes[0].code == "unavailable"
        assert outcomes[1] == "small"
        await store.write(limit(1_000_000))
        assert await store.write(put("large", body=bytes(100_000))) == "large"
        assert await names(store) == ["before", "large", "small"]


async def test_many_rows_are_one_change_that_is_done_or_not(store: Store) -> None:
    await store.write(lambda connection: THINGS.run(connection, [("a", 1), ("b", 2)]))
    with pytest.raises(IntegrityError):
        await store.write(lambda connection: THINGS.run(connection, [("c", 3), ("a", 1)]))
    async with store.read() as connection:
        assert (await connection.execute(text("SELECT name FROM thing ORDER BY name"))).scalars().all() == [
            "a",
            "b",
        ]


async def test_many_rows_share_a_commit_with_other_changes(store: Store) -> None:
    async def refused(connection: AsyncConnection) -> None:
        await THINGS.run(connection, [("x", 1)])
        raise KeyError("refused")

    outcomes = await asyncio.gather(
        store.write(lambda connection: THINGS.run(connection, [("a", 1)])),
        store.write(refused),
        store.write(lambda connection: THINGS.run(connection, [("b", 2)])),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), KeyError, type(None)]
    async with store.read() as connection:
        assert (await connection.execute(text("SELECT name FROM thing ORDER BY name"))).scalars().all() == [
            "a",
            "b",
        ]


async def test_rows_alone_are_committed_together_and_those_that_fail_fail_alone(store: Store) -> None:
    outcomes = await asyncio.gather(
        store.write(Rows((THINGS, [("a", 1)]), (THINGS, [("b", 2)]))),
        store.write(Rows((THINGS, [("c", 3)]), (THINGS, [("a", 4)]))),
        store.write(Rows((THINGS, [("d", 5)]))),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), IntegrityError, type(None)]
    async with store.read() as connection:
        found = await connection.execute(text("SELECT name, size FROM thing ORDER BY name"))
        assert found.all() == [("a", 1), ("b", 2), ("d", 5)]


async def test_rows_that_a_full_database_refuses_change_nothing(store: Store) -> None:
    await store.write(Rows((THINGS, [("a", 1)])))
    async with store.read() as connection:
        pages = await connection.scalar(text("PRAGMA page_count"))
        await connection.execute(text(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(ServiceError, match="Nothing was changed"):
        await store.write(Rows((THINGS, [(f"{number:0100}", number) for number in range(1000)])))
    async with store.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM thing")) == 1
        await connection.execute(text("PRAGMA max_page_count=1000000"))
    await store.write(Rows((THINGS, [("b", 2)])))


async def test_parameters_in_another_order_than_the_statement_has_are_refused(store: Store) -> None:
    wrong = Many(text("INSERT INTO thing (name, size) VALUES (:name, :size)"), "size", "name")
    with pytest.raises(ValueError, match="in this order"):
        await store.write(lambda connection: wrong.run(connection, [(1, "a")]))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 5 * 256 + 7])
async def test_any_number_of_rows_is_stored_in_their_order(store: Store, count: int) -> None:
    rows = [(f"{number:05}", number) for number in range(count)]
    await store.write(Rows((THINGS, rows)))
    async with store.read() as connection:
        found = await connection.execute(text("SELECT name, size FROM thing ORDER BY rowid"))
        assert [tuple(row) for row in found] == rows


async def test_many_rows_of_many_columns_are_stored_by_an_old_sqlite(store: Store) -> None:
    """RHEL 8 has 3.26, which takes 999 parameters."""
    await store._driver._execute(store._driver._conn.setlimit, sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    wide = Many(
        text("INSERT INTO thing (name, size, body) VALUES (:name, :size, :one || :two || :three)"),
        "name", "size", "one", "two", "three",
    )  # fmt: skip
    await store.write(Rows((wide, [(f"{number:05}", number, "a", "b", "c") for number in range(1000)])))
    assert len(await names(store)) == 1000


async def test_rows_are_for_an_insert(store: Store) -> None:
    deletion = Many(text("DELETE FROM thing WHERE name = :name"), "name")
    with pytest.raises(ValueError, match="INSERT"):
        await store.write(Rows((deletion, [("a",)])))


async def test_the_size_is_that_of_what_is_stored_without_what_was_deleted(store: Store) -> None:
    async def fill(connection: AsyncConnection) -> None:
        insert = text("INSERT INTO thing VALUES (:name, 1, zeroblob(10000))")
        await connection.execute(insert, [{"name": str(number)} for number in range(100)])

    async def empty(connection: AsyncConnection) -> None:
        await connection.execute(text("DELETE FROM thing"))

    before = await store.size_bytes()
    await store.write(fill)
    assert 1_000_000 < await store.size_bytes() - before < 1_500_000
    await store.write(empty)
    assert await store.size_bytes() - before < 50_000
