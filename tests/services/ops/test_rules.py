"""What is wrong, as reports tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pulso.reports import CallFigures, Check, Report
from services.ops.contract import Process, RedisFigures
from services.ops.redis_info import parsed
from services.ops.rules import level_of, problems_of

GIB = 1 << 30
REDIS = RedisFigures("7.2.0", 1 << 20, 0, 3, 10.0, 60)


def report(service: str = "gateway", instance: str = "", **changes: Any) -> Report:
    facts: dict[str, Any] = {
        "instance": instance or f"{service}-1", "service": service, "version": "1.0", "host": "vm", "pid": 1,
        "started_ms": 0, "status": "ready", "checks": (), "cpu": 0.1, "memory_bytes": 1, "loop_lag_ms": 1.0,
        "shards": (0,), "shard_count": 1, "disk_free_bytes": 50 * GIB, "disk_total_bytes": 100 * GIB,
    }  # fmt: skip
    return Report(**facts | changes)


def found(*reports: Report | Process, redis: RedisFigures | None = REDIS) -> dict[str, str]:
    processes = [one if isinstance(one, Process) else Process(one, 0.5) for one in reports]
    return {problem.code: problem.subject for problem in problems_of(processes, redis)}


def test_where_all_is_well_nothing_is_said() -> None:
    standby = report("numbers", "numbers-2", status="standby", shards=())
    assert found(report(), report("numbers"), standby) == {}
    assert level_of(()) == "ok"


@pytest.mark.parametrize(
    ("reports", "code", "subject", "level"),
    [
        ([report("numbers")], "no_gateway", "gateway", "critical"),
        ([report(status="unready")], "no_gateway", "gateway", "critical"),
        ([report(), report("numbers", shards=())], "unserved", "numbers", "critical"),
        ([report(), report("numbers", shards=(1,), shard_count=2)], "unserved", "numbers", "critical"),
        ([report(), Process(report("numbers"), 8.0)], "unserved", "numbers", "critical"),
        ([report(), Process(report(instance="gateway-2"), 8.0)], "silent", "gateway-2", "warning"),
        ([report(loop_lag_ms=150.0)], "slow_loop", "gateway-1", "warning"),
        ([report(calls=(CallFigures("numbers:set", 5.0, 0.5, 1.0, 2.0),))], "failing", "gateway-1", "warning"),
        ([report(disk_free_bytes=GIB // 2)], "disk", "vm", "warning"),
        ([report(disk_free_bytes=GIB // 8)], "disk", "vm", "critical"),
        ([report(), report(instance="gateway-2", version="1.1")], "versions", "all", "warning"),
        ([report(figures={"journal_dropped": 3.0})], "journal_dropped", "gateway-1", "warning"),
    ],
)
def test_trouble_is_named(reports: list[Report], code: str, subject: str, level: str) -> None:
    processes = [one if isinstance(one, Process) else Process(one, 0.5) for one in reports]
    problems = {problem.code: problem for problem in problems_of(processes, REDIS)}
    assert (problems[code].subject, problems[code].level) == (subject, level)


def test_what_is_not_ready_says_why() -> None:
    unready = report("numbers", status="unready", checks=(Check("numbers.bus", "no connection to Redis"),))
    (problem,) = problems_of([Process(report(), 0.1), Process(unready, 0.1)], REDIS)
    assert (problem.code, problem.detail) == ("unready", "no connection to Redis")


def test_redis_away_or_nearly_full_is_named() -> None:
    assert found(report(), redis=None) == {"redis_away": "redis"}
    full = RedisFigures("7.2.0", 90, 100, 1, 1.0, 1)
    assert found(report(), redis=full) == {"redis_memory": "redis"}


def test_a_redis_that_drops_keys_is_named() -> None:
    evicting = RedisFigures("7.4.0", 1, 100, 3, 1.0, 60, "allkeys-lru")
    assert found(report(), redis=evicting) == {"redis_evicts": "redis"}
    assert found(report(), redis=msgspec.structs.replace(evicting, eviction="noeviction")) == {}


def test_the_worst_comes_first_and_makes_the_level() -> None:
    problems = problems_of([Process(report("numbers", loop_lag_ms=900.0), 0.1)], REDIS)
    assert [problem.level for problem in problems] == ["critical", "warning"]
    assert level_of(problems) == "critical"


def test_parties_of_one_process_are_slow_once() -> None:
    problems = problems_of(
        [Process(report(loop_lag_ms=900.0), 0), Process(report("a", loop_lag_ms=900.0), 0)], REDIS
    )
    assert [problem.code for problem in problems] == ["slow_loop"]


def test_an_info_that_lacks_lines_is_read_all_the_same() -> None:
    assert parsed("# Server\r\nredis_version:7.2.4\r\nused_memory:123\r\n") == RedisFigures(
        "7.2.4", 123, 0, 0, 0.0, 0
    )
    assert parsed("").version == "?"
