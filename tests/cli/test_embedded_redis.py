"""The embedded Redis: a real server that is there, comes back, and is never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from cli import embedded_redis, stack
from cli.child import CannotStart, kept_running
from cli.data_folder import DataFolder, opened, redis_socket, redis_url
from cli.embedded_redis import answers, find_server, new_passwords, redis_program
from cli.settings import read
from pulso.contract import Contract
from pulso.routes import Routes
from pulso.shard import Service
from tests.waiting import eventually

PASSWORDS = new_passwords("pulso")


async def test_redis_answers_on_its_socket_and_no_port(folder: DataFolder) -> None:
    socket = redis_socket(folder.path)
    async with kept_running(redis_program(folder, "pulso", PASSWORDS)):
        assert await answers(socket)
        async with Redis.from_url(redis_url(folder.path)) as redis:
            about = await redis.info()
            assert (about["tcp_port"], about["maxmemory_policy"]) == (0, "noeviction")
    assert not await answers(socket)


async def test_its_owner_may_do_what_pulso_does_and_no_more(folder: DataFolder) -> None:
    async with (
        kept_running(redis_program(folder, "pulso", PASSWORDS)),
        Redis.from_url(redis_url(folder.path)) as redis,
    ):
        assert await redis.set("pulso:manifest:bell", "{}")
        for words in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("SET", "elsewhere", "x")):
            with pytest.raises(NoPermissionError):
                await redis.execute_command(*words)
    acl = folder.path / "redis" / "users.acl"
    assert not [user for user, password in PASSWORDS.items() if password in acl.read_text(encoding="utf-8")]


async def test_a_service_of_ones_own_has_a_user_and_a_password(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `docs/your-first-service.md` adds it: a line in `cli/stack.py` is all."""
    bell = Service(Contract("bell", ()), Routes[None](), lambda _: contextlib.nullcontext())
    monkeypatch.setattr(stack, "services_of", lambda _: (bell,))
    passwords = stack.redis_passwords(read({"PULSO_DATA": str(folder.path), "PULSO_PEPPER": "x" * 32}))
    async with (
        kept_running(redis_program(folder, "pulso", passwords)),
        Redis.from_url(redis_url(folder.path), username="bell", password=passwords["bell"]) as redis,
    ):
        assert await redis.set("pulso:manifest:bell", "{}")
        with pytest.raises(NoPermissionError):
            await redis.set("pulso:manifest:clock", "{}")


async def test_killed_redis_comes_back_on_the_same_socket_with_its_keys(folder: DataFolder) -> None:
    async with kept_running(redis_program(folder, "pulso", PASSWORDS)) as (child,):
        async with Redis.from_url(redis_url(folder.path)) as redis:
            await redis.set("pulso:manifest:x", "kept")
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: child.pid != first and child.status == "ok")
        async with Redis.from_url(redis_url(folder.path)) as redis:
            assert await redis.get("pulso:manifest:x") == b"kept"


async def test_redis_starts_again_where_an_earlier_run_was_killed(data: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from cli.child import kept_running
from cli.data_folder import opened
from cli.embedded_redis import new_passwords, redis_program

async def main():
    with opened(Path(sys.argv[1])) as folder:
        async with kept_running(redis_program(folder, "pulso", new_passwords("pulso"))):
            print("up", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""
    earlier = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(data), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert earlier.stdout
    while (line := await earlier.stdout.readline()) != b"up\n":
        assert line, "ended before it was up"
    earlier.kill()
    await earlier.wait()
    # Its Redis holds the lock that it inherited: that the folder opens again says that it is gone.
    with opened(data) as folder:
        async with kept_running(redis_program(folder, "pulso", PASSWORDS)):
            assert await answers(redis_socket(data))


async def test_redis_that_cannot_read_its_file_says_why(folder: DataFolder) -> None:
    folder.folder("redis").joinpath("appendonly.aof").write_bytes(
        b"*1\r\n$5\r\nWRONG and more than one line\r\n" * 3
    )
    # Redis 7 keeps its files in a folder of their own, and takes an old file for the first of them.
    with pytest.raises(CannotStart, match="redis ended with status 1: "):
        async with kept_running(redis_program(folder, "pulso", PASSWORDS)):
            pass


def test_without_a_redis_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CannotStart, match="PULSO_REDIS_URL"):
        find_server()
