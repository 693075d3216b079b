"""The ops service beside others: it sees who runs, who stands by and who has gone, and tells admins alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import Redis
from structlog.testing import capture_logs

from pulso import reports
from pulso.contract import Caller, Nothing
from pulso.errors import ServiceError
from pulso.message import Tell
from pulso.party import Connected
from pulso.probes import Health
from pulso.push import Push
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Context
from services.numbers.__main__ import service as numbers_service
from services.numbers.contract import SET, SetValue
from services.ops.__main__ import Ops, service
from services.ops.board import FORGET_AFTER_S, Board
from services.ops.contract import STATUS, Process, Status
from services.ops.rules import SILENT_S, problems_of
from services.settings import NumbersSettings
from tests.redis_server import RedisServer
from tests.services.ops.test_rules import report
from tests.services.serving import serving
from tests.waiting import eventually

ADMIN = Caller("u_ana", "Ana", "admin")
USER = Caller("u_rui", "Rui", "user")


@pytest.fixture
async def ops(kit: KitSettings) -> AsyncIterator[None]:
    async with serving(service(kit), kit) as health:
        await eventually(lambda: health.status() == "ready")
        yield


async def status_of(party: Connected, caller: Caller = ADMIN) -> Status:
    return await party.bus.call(party.bus.channels.service("ops", 0), STATUS, Nothing(), caller)


async def instances(party: Connected, name: str) -> list[Process]:
    return [process for process in (await status_of(party)).processes if process.report.service == name]


@pytest.mark.usefixtures("ops")
async def test_active_and_standby_are_seen_and_who_leaves_is_gone_at_once(
    kit: KitSettings, party: Connected
) -> None:
    async with serving(numbers_service(NumbersSettings()), kit) as first:
        await eventually(lambda: first.status() == "ready")

        async def both() -> bool:
            found = await instances(party, "numbers")
            return sorted(process.report.status for process in found) == ["ready", "standby"]

        async with serving(numbers_service(NumbersSettings()), kit):
            await eventually(both)

        async def one() -> bool:
            return [process.report.shards for process in await instances(party, "numbers")] == [(0,)]

        await eventually(one)
    status = await status_of(party)
    assert "numbers" not in {process.report.service for process in status.processes}


@pytest.mark.usefixtures("ops")
async def test_calls_files_and_disk_are_told(kit: KitSettings, party: Connected) -> None:
    async with serving(numbers_service(NumbersSettings()), kit) as health:
        await eventually(lambda: health.status() == "ready")
        await party.bus.call(party.bus.channels.service("numbers", 0), SET, SetValue(7), USER)
        await party.bus.announce(party.bus.channels.report_now, reports.REPORT_NOW, b"{}")

        async def called() -> bool:
            (process,) = await instances(party, "numbers")
            found = process.report
            return "numbers:set" in {call.endpoint for call in found.calls} and bool(found.files)

        await eventually(called)
        (process,) = await instances(party, "numbers")
        assert process.report.files[0].name == "numbers.sqlite3"
        assert process.report.files[0].size_bytes > 0
        assert 0 < process.report.disk_free_bytes < process.report.disk_total_bytes
        assert process.report.memory_bytes > 1 << 20
    redis = (await status_of(party)).redis
    assert redis is not None
    assert redis.clients >= 1


@pytest.mark.usefixtures("ops")
async def test_users_are_told_nothing(party: Connected) -> None:
    with pytest.raises(ServiceError) as refused:
        await status_of(party, USER)
    assert refused.value.code == "forbidden"


async def test_a_redis_that_drops_keys_is_logged_once_and_told_until_it_is_set_right(
    own_redis: RedisServer, own_kit: KitSettings, own_party: Connected
) -> None:
    ops = Ops(Context(0, 1, own_kit.data, own_party.bus, Push(own_party.bus)))

    async def told() -> bool:
        await ops.look()
        return "redis_evicts" in {problem.code for problem in ops.status().problems}

    with Redis(unix_socket_path=str(own_redis.socket)) as redis, capture_logs() as lines:
        redis.config_set("maxmemory-policy", "volatile-lru")
        assert await told()
        assert await told()
        fault = "redis drops keys that are needed: set its maxmemory-policy to noeviction"
        assert lines == [{"event": fault, "log_level": "error", "maxmemory_policy": "volatile-lru"}]
        redis.config_set("maxmemory-policy", "noeviction")
        assert not await told()
        assert lines[1:] == [{"event": "redis drops no keys any more", "log_level": "info"}]


@pytest.mark.usefixtures("ops")
async def test_a_broken_report_harms_nobody(party: Connected) -> None:
    party.bus.send(party.bus.channels.reports, Tell(reports.REPORTED, b"\xc1 no report"))
    party.bus.send(party.bus.channels.reports, Tell(reports.REPORTED, reports.encode(report("late"))))
    await eventually(lambda: _has(party, "late"))


async def _has(party: Connected, name: str) -> bool:
    return bool(await instances(party, name))


def test_a_process_that_goes_without_a_word_is_silent_and_then_forgotten() -> None:
    now = [0.0]
    board = Board(lambda: now[0])
    board.put(report("numbers"))
    now[0] = SILENT_S + 1
    codes = {problem.code for problem in problems_of(board.processes(), None)}
    assert {"silent", "unserved"} <= codes
    now[0] = FORGET_AFTER_S + 1
    assert board.processes() == ()


async def test_a_successor_knows_everybody_soon(kit: KitSettings, party: Connected) -> None:
    stop, health = asyncio.Event(), Health()
    first = asyncio.create_task(serve(service(kit), kit, health, stop))
    await eventually(lambda: health.status() == "ready")
    async with serving(service(kit), kit) as second:
        stop.set()
        await first
        await eventually(lambda: second.status() == "ready")

        async def it_alone() -> bool:
            return [process.report.shards for process in await instances(party, "ops")] == [(0,)]

        await eventually(it_alone)  # it may be asked before it has told of itself
