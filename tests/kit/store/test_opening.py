"""One process at a time has the file, migrated; what was answered is in it whatever ended the one before."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from pulso.errors import ServiceError
from pulso.store import StoreBusy, open_store
from tests.conftest import REPOSITORY
from tests.kit.store.conftest import Slow, names, put
from tests.redis_server import await_line
from tests.waiting import PATIENCE_S, eventually

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
        from tests.kit.store.conftest import put

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
        await_line(process, process.stdout, "open", PATIENCE_S)
        with pytest.raises(StoreBusy):
            async with open_store(file, migrations=migrations):
                pass
    finally:
        process.kill()
        process.wait()
    async with open_store(file, migrations=migrations) as store:
        assert await store.write(put("a")) == "a"


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
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(ServiceError) as caught:
            await store.write(put("late"))
    assert caught.value.code == "unavailable"
