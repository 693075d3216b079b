"""`pulso collect`, as a command, against a real Pulso: through kills, restarts, short tokens, wrong passwords."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import pty
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pulso.settings import KitSettings
from tests import programs
from tests.admission import admitted
from tests.conftest import free_port
from tests.services.sales.conftest import Shop, shop_on
from tests.services.sales.made import append, sale
from tests.waiting import eventually, in_own_task

ANA = {"name": "Ana", "username": "ana", "email": "ana@example.com", "password": "long enough"}
LIFETIMES = 3


@dataclass
class Collecting:
    process: programs.Program
    db: Path

    def ids(self) -> list[str]:
        if not self.db.exists():
            return []
        with contextlib.closing(sqlite3.connect(self.db)) as database, contextlib.suppress(sqlite3.Error):
            return [id_ for (id_,) in database.execute("SELECT id FROM sales ORDER BY rowid")]
        return []

    async def has(self, count: int, *, within_s: float | None = None) -> list[str]:
        return await eventually(lambda: ids if len(ids := self.ids()) >= count else [], within_s=within_s)

    async def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def collecting(url: str, db: Path, *options: str, **settings: str) -> AsyncIterator[Collecting]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    process = await programs.start(
        "cli", "collect", "--url", url, "--db", str(db), *options,
        environ={**clean, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Collecting(process, db)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def collected_once(url: str, db: Path, *options: str, **settings: str) -> tuple[int, str, str]:
    async with collecting(url, db, "--once", *options, **settings) as run:
        out, err = await run.process.communicate()
        assert run.process.returncode is not None
        return run.process.returncode, out.decode(), err.decode()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "mine").mkdir()
    yield tmp_path / "mine" / "sales.db"


@pytest.fixture
async def shop(kit: KitSettings) -> AsyncIterator[Shop]:
    async with in_own_task(shop_on(kit)) as shop:
        yield shop


async def register(shop: Shop) -> str:
    async with admitted(shop.http, f"{shop.url}/api/auth/register", json=ANA) as response:
        assert response.status == 200
        return str((await response.json())["access_token"])


async def test_every_record_is_collected_once_and_as_it_was(shop: Shop, db: Path) -> None:
    records = [sale() for _ in range(2500)]
    append(shop.source, *records)
    async with collecting(shop.url, db) as run:
        assert await run.has(2500) == [record["id"] for record in records]
        append(shop.source, more := sale())
        assert (await run.has(2501))[-1] == more["id"]
        code, out, err = await run.end()
    assert (code, err) == (0, "")
    assert "2501 rows, 2501 new" in out.splitlines()[-1]
    with contextlib.closing(sqlite3.connect(db)) as database:
        database.row_factory = sqlite3.Row
        assert dict(database.execute("SELECT * FROM sales LIMIT 1").fetchone()) == records[0]
    assert sorted(path.name for path in db.parent.iterdir()) == ["sales.db"], "one file, nothing beside it"


async def test_once_ends_when_there_is_nothing_more_and_goes_on_the_next_time(shop: Shop, db: Path) -> None:
    append(shop.source, *[sale() for _ in range(3)])
    await eventually(lambda: _served(shop, 3))
    for new, rows in ((3, 3), (0, 3)):
        code, out, _ = await collected_once(shop.url, db, "--json")
        end = [json.loads(line) for line in out.splitlines()][-1]
        assert (code, end["event"], end["new"], end["rows"]) == (0, "end", new, rows)
    append(shop.source, sale())
    await eventually(lambda: _served(shop, 4))
    code, out, _ = await collected_once(shop.url, db, "--json", "--format", "csv")
    assert json.loads(out.splitlines()[-1])["new"] == 1
    with db.with_name("sales.db.csv").open(encoding="utf-8", newline="") as exported:
        rows_ = list(csv.DictReader(exported))
    assert len(rows_) == 4
    assert rows_[0]["seller"] == "Ana Conceição"


async def test_a_figure_is_told_once(shop: Shop, db: Path) -> None:
    append(shop.source, sale())
    await eventually(lambda: _served(shop, 1))
    code, out, _ = await collected_once(shop.url, db)
    (line,) = out.splitlines()
    assert (code, "1 rows, 1 new" in line) == (0, True)


async def test_a_collector_that_is_killed_again_and_again_has_each_record_once(shop: Shop, db: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    records = [sale() for _ in range(12_000)]
    append(shop.source, *records)
    for _ in range(4):
        async with collecting(shop.url, db) as run:
            before = len(run.ids())
            await run.has(min(12_000, before + 1))
            await asyncio.sleep(chance.random() * 0.2)  # when it is killed is what chance decides
            await run.end(signal.SIGKILL)
    async with collecting(shop.url, db) as run:
        assert await run.has(12_000) == [record["id"] for record in records]


async def test_tokens_end_and_the_collector_goes_on(kit: KitSettings, db: Path) -> None:
    async with shop_on(kit, token_seconds=2, guests=False) as shop:
        await register(shop)
        who = {"PULSO_USERNAME": "ana", "PULSO_PASSWORD": ANA["password"]}
        async with collecting(shop.url, db, "--json", **who) as run:
            until = asyncio.get_running_loop().time() + LIFETIMES * 2 + 1
            written: list[str] = []
            while asyncio.get_running_loop().time() < until:
                append(shop.source, one := sale())
                written.append(one["id"])
                assert await run.has(len(written)) == written
                await asyncio.sleep(0.1)
            code, out, err = await run.end()
    assert (code, err) == (0, "")
    assert {json.loads(line)["event"] for line in out.splitlines()} == {"progress", "end"}, "no trouble at all"


async def test_a_session_that_was_ended_is_followed_by_another(shop: Shop, db: Path) -> None:
    token = await register(shop)
    who = {"PULSO_USERNAME": "ana", "PULSO_PASSWORD": ANA["password"]}
    async with collecting(shop.url, db, **who) as run:
        append(shop.source, sale())
        await run.has(1)
        headers = {"Authorization": f"Bearer {token}"}
        async with shop.http.post(f"{shop.url}/api/auth/logout-all", json={}, headers=headers) as response:
            assert response.status == 200
        append(shop.source, sale(), sale())
        await run.has(3)


async def test_the_collector_may_start_first_and_the_server_may_go_and_come(kit: KitSettings, db: Path) -> None:
    port = free_port()
    records = [sale() for _ in range(30)]
    async with collecting(f"http://127.0.0.1:{port}", db, "--json") as run:
        assert run.process.stdout is not None
        first = json.loads(await run.process.stdout.readline())
        assert first["event"] == "trouble"
        for begin in (0, 10):
            append(kit.data / "sales.jsonl", *records[begin : begin + 10])
            async with shop_on(kit, port=port):
                await run.has(begin + 10)
        append(kit.data / "sales.jsonl", *records[20:])
        async with shop_on(kit, port=port):
            assert await run.has(30) == [record["id"] for record in records]


async def test_a_feed_that_was_lost_is_collected_from_its_start_and_nothing_is_there_twice(
    kit: KitSettings, db: Path
) -> None:
    records = [sale() for _ in range(10)]
    append(kit.data / "sales.jsonl", *records[:5])
    port = free_port()
    async with collecting(f"http://127.0.0.1:{port}", db) as run:
        async with shop_on(kit, port=port):
            await run.has(5)
        for file in kit.data.glob("sales.sqlite3*"):
            file.unlink()
        append(kit.data / "sales.jsonl", *records[5:])
        async with shop_on(kit, port=port):
            assert await run.has(10) == [record["id"] for record in records]


async def test_who_is_not_let_in_is_told_why(kit: KitSettings, db: Path, tmp_path: Path) -> None:
    async with shop_on(kit, guests=False) as shop:
        token = await register(shop)
        wrong = await collected_once(shop.url, db, PULSO_USERNAME="ana", PULSO_PASSWORD="not this one")
        assert (wrong[0], "do not match" in wrong[2]) == (77, True)
        guest = await collected_once(shop.url, db)
        assert (guest[0], "PULSO_USERNAME" in guest[2]) == (77, True)
        file = tmp_path / "token"
        file.write_text("no token at all\n", encoding="utf-8")
        stale = await collected_once(shop.url, db, "--token-file", str(file))
        assert (stale[0], "token" in stale[2]) == (77, True)
        file.write_text(f"{token}\n", encoding="utf-8")
        assert (await collected_once(shop.url, db, "--token-file", str(file)))[0] == 0
        assert (await collected_once(shop.url, db, PULSO_TOKEN_FILE=str(file)))[0] == 0


async def test_files_and_addresses_that_cannot_be_used_are_told(shop: Shop, db: Path, tmp_path: Path) -> None:
    code, _, complaint = await collected_once(shop.url, tmp_path / "nowhere" / "sales.db")
    assert (code, "cannot be used" in complaint) == (73, True)
    db.write_bytes(b"this is no database, and it is long enough to be told so" * 20)
    code, _, complaint = await collected_once(shop.url, db)
    assert (code, "cannot be used" in complaint) == (73, True)
    assert db.read_bytes().startswith(b"this is no database"), "and it was left alone"
    code, _, complaint = await collected_once("nonsense", tmp_path / "other.db")
    assert (code, "no address" in complaint) == (64, True)


async def test_on_a_terminal_there_is_one_line_that_moves(shop: Shop, db: Path) -> None:
    append(shop.source, *[sale() for _ in range(7)])
    await eventually(lambda: _served(shop, 7))
    own, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    process = await programs.start(
        "cli", "collect", "--url", shop.url, "--db", str(db), "--once",
        environ={**clean, "TERM": "xterm"}, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    assert await process.wait() == 0
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(own, 65536):
            shown += piece
    os.close(own)
    assert b"7 rows, 7 new" in shown.splitlines()[-1]


async def _served(shop: Shop, count: int) -> Any:
    _, page = await shop.get("/api/sales/records?limit=1000", await shop.token())
    return len(page.get("records", ())) >= count


async def test_a_reader_that_goes_ends_it_quietly_and_loses_nothing(shop: Shop, db: Path) -> None:
    append(shop.source, *[sale() for _ in range(5)])
    async with collecting(shop.url, db, "--json") as run:
        await run.has(5)
        run.process.read_no_more()  # as `| head` does
        append(shop.source, sale())
        assert await run.process.wait() == 0
        assert run.process.stderr is not None
        assert await run.process.stderr.read() == b""
        assert len(run.ids()) == 6
