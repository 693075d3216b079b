"""The store: what was answered is on the disk, what failed fails alone, and one process writes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso import store as store_module
from pulso.errors import ServiceError
from pulso.store import Many, Store, StoreBusy, open_store
from tests.conftest import REPOSITORY
from tests.redis_server import await_line
from tests.waiting import eventually

FIRST_MIGRATION = '''
"""Things."""
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE thing (name TEXT PRIMARY KEY, size INTEGER NOT NULL, body BLOB)")
'''
SECOND_MIGRATION = '''
"""Things have a colour."""
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
'''
FAILING_MIGRATION = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("CREATE TABLE half (x INTEGER)")
    op.execute("CREATE TABLE thing (x INTEGER)")
"""
SLOW_QUERY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
SLOW_QUERY += "SELECT max(i) FROM n"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "0001.py").write_text(FIRST_MIGRATION, encoding="utf-8")
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "things.sqlite3"


def put(name: str, size: int = 1, body: bytes = b"") -> Callable[[AsyncConnection], Awaitable[str]]:
    async def change(connection: AsyncConnection) -> str:
        await connection.execute(
            text("INSERT INTO thing (name, size, body) VALUES (:name, :size, :body)"),
            {"name": name, "size": size, "body": body},
        )
        return name

    return change


class Slow:
    """A change that is under way until it may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, connection: AsyncConnection) -> str:
        self.begun.set()
        await self.go_on.wait()
        return await put("slow")(connection)


async def names(store: Store) -> list[str]:
    async with store.read() as connection:
        return list((await connection.execute(text("SELECT name FROM thing ORDER BY name"))).scalars())


async def test_written_is_read_and_still_there_when_opened_again(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        assert await store.write(put("a")) == "a"
        assert await names(store) == ["a"]
    async with open_store(file, migrations=migrations) as store:
        assert await names(store) == ["a"]


async def test_what_was_answered_survives_kill_9(file: Path, migrations: Path) -> None:
    script = f"""
        import asyncio, itertools
        from pathlib import Path
        from pulso.store import open_store
        from tests.kit.test_store import put

        async def main():
            async with open_store(Path({str(file)!r}), migrations=Path({str(migrations)!r})) as store:
                for number in itertools.count():
                    print("written", await store.write(put(f"{{number:06}}")), flush=True)

        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(30)]
    process.kill()
    said += process.stdout.readlines()
    process.wait()
    answered = [line.split()[1] for line in said if line.endswith("\n")]
    assert len(answered) >= 30
    async with open_store(file, migrations=migrations) as store:
        stored = await names(store)
    assert stored[: len(answered)] == answered
    assert len(stored) <= len(answered) + 1


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

    async with asyncio.timeout(5), open_store(file, migrations=migrations) as store:
        outcomes = await asyncio.gather(store.write(put("a")), store.write(half), return_exceptions=True)
        assert outcomes[0] == "a"
        assert isinstance(outcomes[1], BaseException)
        assert await store.write(put("b")) == "b"
        assert await names(store) == ["a", "b"]


async def test_writer_that_gives_up_does_not_break_the_others(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        writers = [asyncio.create_task(store.write(put(f"{number:02}"))) for number in range(20)]
        await asyncio.sleep(0)
        for writer in writers[::2]:
            writer.cancel()
        slow = Slow()
        under_way = asyncio.create_task(store.write(slow))
        await slow.begun.wait()
        under_way.cancel()
        slow.go_on.set()
        outcomes = await asyncio.gather(*writers, under_way, return_exceptions=True)
        expected = {f"{number:02}" for number in range(1, 20, 2)}
        assert {outcome for outcome in outcomes if isinstance(outcome, str)} == expected
        assert set(await names(store)) == expected | {"slow"}  # it was too late to take that back


async def test_reader_that_gives_up_harms_nobody(file: Path, migrations: Path) -> None:
    """However early or late in its query: the connection, and with it the lock on the file, must be kept."""
    async with open_store(file, migrations=migrations) as store:
        for number, patience_s in enumerate((0.0, 0.0005, 0.002, 0.01, 0.05)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(patience_s), store.read() as connection:
                    await connection.execute(text(SLOW_QUERY))
            with pytest.raises(StoreBusy):
                async with open_store(file, migrations=migrations):
                    pass
            assert await store.write(put(str(number))) == str(number)
        assert await names(store) == ["0", "1", "2", "3", "4"]


async def test_reader_that_raises_leaves_the_store_usable(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        with pytest.raises(KeyError):
            async with store.read():
                raise KeyError
        assert await store.write(put("a")) == "a"


async def test_reads_and_writes_at_once_all_end(file: Path, migrations: Path) -> None:
    async with asyncio.timeout(20), open_store(file, migrations=migrations) as store:

        async def write_and_see(name: str) -> None:
            await store.write(put(name))
            assert name in await names(store)

        await asyncio.gather(*(write_and_see(f"{number:03}") for number in range(100)))


async def test_second_opener_finds_it_busy_until_the_first_is_done(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        await store.write(put("a"))
        for _ in range(3):
            with pytest.raises(StoreBusy):
                async with open_store(file, migrations=migrations):
                    pass
        assert await store.write(put("b")) == "b"
    async with open_store(file, migrations=migrations) as store:
        assert await names(store) == ["a", "b"]


async def test_opener_in_another_process_finds_it_busy(file: Path, migrations: Path) -> None:
    script = f"""
        import asyncio
        from pathlib import Path
        from pulso.store import open_store

        async def main():
            async with open_store(Path({str(file)!r}), migrations=Path({str(migrations)!r})):
                print("open", flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        await_line(process, process.stdout, "open", 20)
        with pytest.raises(StoreBusy):
            async with open_store(file, migrations=migrations):
                pass
    finally:
        process.kill()
        process.wait()
    async with open_store(file, migrations=migrations) as store:
        assert await store.write(put("a")) == "a"


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


async def test_store_that_closes_first_commits_what_waits(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        slow = Slow()
        writers = [asyncio.create_task(store.write(slow))]
        await slow.begun.wait()
        writers += [asyncio.create_task(store.write(put(f"{number:03}"))) for number in range(100)]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, slow.go_on.set)
    assert [writer.done() for writer in writers] == [True] * 101
    done = [writer.result() for writer in writers]
    async with open_store(file, migrations=migrations) as store:
        assert await names(store) == sorted(done)


async def test_write_after_the_store_closed_is_unavailable(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        pass
    async with asyncio.timeout(2):
        with pytest.raises(ServiceError) as caught:
            await store.write(put("late"))
    assert caught.value.code == "unavailable"


async def test_migrations_run_once_and_later_ones_are_added(file: Path, migrations: Path) -> None:
    for _ in range(2):
        async with open_store(file, migrations=migrations) as store:
            await names(store)
    async with open_store(file, migrations=migrations) as store:
        await store.write(put("old"))
    (migrations / "versions" / "0002.py").write_text(SECOND_MIGRATION, encoding="utf-8")
    async with open_store(file, migrations=migrations) as store, store.read() as connection:
        assert (await connection.execute(text("SELECT colour FROM thing"))).scalars().all() == ["red"]


async def test_migration_that_fails_leaves_the_file_as_it_was(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        await store.write(put("a"))
    later = migrations / "versions" / "0002.py"
    later.write_text(FAILING_MIGRATION, encoding="utf-8")
    with pytest.raises(Exception, match="already exists"):
        async with open_store(file, migrations=migrations):
            pass
    later.unlink()
    async with open_store(file, migrations=migrations) as store:
        assert await names(store) == ["a"]
        async with store.read() as connection:
            tables = (await connection.execute(text("SELECT name FROM sqlite_master"))).scalars().all()
    assert "half" not in tables


async def test_several_stores_of_one_process_open_at_once(tmp_path: Path, migrations: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = await asyncio.gather(
            *(
                stack.enter_async_context(open_store(tmp_path / f"{number}.sqlite3", migrations=migrations))
                for number in range(4)
            )
        )
        await asyncio.gather(*(store.write(put("a")) for store in stores))


async def test_openings_that_fail_leave_no_thread_behind(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations):
        before = threading.active_count()
        for _ in range(5):
            with pytest.raises(StoreBusy):
                async with open_store(file, migrations=migrations):
                    pass
        gc.collect()
        await eventually(lambda: threading.active_count() <= before)


THINGS = Many(text("INSERT INTO thing (name, size) VALUES (:name, :size)"), "name", "size")


@pytest.fixture
async def store(file: Path, migrations: Path) -> AsyncIterator[Store]:
    async with open_store(file, migrations=migrations) as opened:
        yield opened


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


async def test_parameters_in_another_order_than_the_statement_has_are_refused(store: Store) -> None:
    wrong = Many(text("INSERT INTO thing (name, size) VALUES (:name, :size)"), "size", "name")
    with pytest.raises(ValueError, match="in this order"):
        await store.write(lambda connection: wrong.run(connection, [(1, "a")]))


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
