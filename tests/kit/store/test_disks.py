"""Disks that are full, and disks that fail: what is told of them, and that nothing that was answered is lost."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from pulso import store as store_module
from pulso.errors import ServiceError
from pulso.store import open_store
from tests.conftest import REPOSITORY
from tests.kit.store.conftest import names, put
from tests.waiting import eventually


async def test_store_in_trouble_finds_out_by_itself_when_it_can_write_again(
    file: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "TRY_AGAIN_S", 0.01)
    async with open_store(file, migrations=migrations) as store:
        assert not store.trouble
        await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=8"))
        with pytest.raises(ServiceError):
            await store.write(put("large", body=bytes(100_000)))
        assert store.trouble == "the disk is full"
        assert not store.is_broken
        await eventually(lambda: not store.trouble)
        assert await names(store) == []


@contextlib.contextmanager
def failing_disk() -> Iterator[None]:
    """Every write but at the beginning of a file fails (EFBIG), for the whole process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_disk_that_fails_breaks_the_store_and_costs_nothing_that_was_answered(
    file: Path, migrations: Path
) -> None:
    with contextlib.ExitStack() as trouble:
        async with open_store(file, migrations=migrations) as store:
            await store.write(put("answered", body=bytes(100_000)))
            trouble.enter_context(failing_disk())
            outcomes = await asyncio.gather(*(store.write(put(name)) for name in "abc"), return_exceptions=True)
            assert [getattr(outcome, "code", outcome) for outcome in outcomes] == ["unavailable"] * 3
            assert store.is_broken
            # What it has of the last change is not known: nothing is read from it, and nothing comes on top.
            for again in (store.write(put("d")), names(store)):
                with pytest.raises(ServiceError, match="unavailable"):
                    await again
        with pytest.raises(OperationalError):
            async with open_store(file, migrations=migrations):
                pass
    async with open_store(file, migrations=migrations) as store:
        assert "answered" in await names(store)
        assert await store.write(put("e")) == "e"


async def test_what_the_log_holds_is_in_the_file_once_it_is_opened(file: Path, migrations: Path) -> None:
    """A sync that failed before cannot be made good by another one: it is all written anew."""
    script = f"""
        import asyncio, os
        from pathlib import Path
        from pulso.store import open_store
        from tests.kit.store.conftest import put

        async def main():
            async with open_store(Path({str(file)!r}), migrations=Path({str(migrations)!r})) as store:
                await store.write(put("a"))
                os._exit(0)

        asyncio.run(main())
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, check=True)
    log = file.with_name(f"{file.name}-wal")
    assert log.stat().st_size
    async with open_store(file, migrations=migrations) as store:
        assert not log.stat().st_size
        assert await names(store) == ["a"]
