"""What ops offers to admins: how all processes, Redis and the disks stand, when asked and every two seconds."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Surface, Topic
from pulso.reports import Report

Level = Literal["ok", "warning", "critical"]
ProblemCode = Literal[
    "no_gateway", "unserved", "silent", "unready", "slow_loop", "failing", "disk", "redis_memory", "redis_away",
    "redis_evicts", "versions", "journal_dropped",
]  # fmt: skip


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to look after: what, where, and the detail in words or figures that belongs to it.

    `{"level": "critical", "code": "unserved", "subject": "numbers", "detail": "0"}`
    """

    level: Level
    code: ProblemCode
    subject: str
    detail: str = ""


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A party's last report, how old it is, and its events a second over the last two minutes, the newest last.

    `{"report": {"instance": "gw-1f2e3d4c", ...}, "age_s": 0.8, "history": [12.0, 14.5]}`
    """

    report: Report
    age_s: float
    history: tuple[float, ...] = ()


class RedisFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of Redis' INFO. `max_memory_bytes` is 0 where it has no limit; `eviction` is to be `noeviction`.

    `{"version": "6.2.14", "memory_bytes": 1048576, "max_memory_bytes": 0, "clients": 14, "per_s": 120, ...}`
    """

    version: str
    memory_bytes: int
    max_memory_bytes: int
    clients: int
    per_s: float
    up_s: int
    eviction: str = ""


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How everything stands: the worst level of the problems, and what it was found in.

    `{"at": "2026-01-31T12:00:00.000Z", "level": "ok", "problems": [], "processes": [...], "redis": {...}}`
    """

    at: str
    level: Level
    problems: tuple[Problem, ...]
    processes: tuple[Process, ...]
    redis: RedisFigures | None


CLOCK: Final = Report(
    instance="clock-5e6f7a8b",
    service="clock",
    version="0.1.0",
    host="pulso-1",
    pid=17,
    started_ms=1_769_860_000_000,
    status="ready",
    checks=(),
    cpu=0.01,
    memory_bytes=48_234_496,
    loop_lag_ms=1.2,
    shards=(0,),
    shard_count=1,
)
ALL_WELL: Final = Status(
    at="2026-01-31T12:00:00.000Z",
    level="ok",
    problems=(),
    processes=(Process(CLOCK, 0.8, (1.0, 1.0)),),
    redis=RedisFigures("6.2.14", 1_048_576, 0, 14, 120.0, 3600),
)

STATUS: Final = Endpoint(
    "ops:status",
    Nothing,
    Status,
    Access.ADMIN,
    "How all processes, Redis and the disks stand.",
    reads=True,
    example=Example(Nothing(), ALL_WELL),
)
WATCH: Final = Endpoint(
    "ops:watch",
    Nothing,
    Status,
    Access.ADMIN,
    "As ops:status, and every two seconds from now on.",
    surface=Surface.SOCKET,
    example=Example(Nothing(), ALL_WELL),
)
UNWATCH: Final = Endpoint(
    "ops:unwatch", Nothing, Nothing, Access.ADMIN, "Stop following the status.", surface=Surface.SOCKET
)

STATUS_EVENT: Final = Event(
    "ops:status", Status, "How everything stands, every two seconds to those who watch.", example=ALL_WELL
)
STATUSES: Final = Topic("ops.status", (STATUS_EVENT,))

CONTRACT: Final = Contract("ops", endpoints=(STATUS, WATCH, UNWATCH), topics=(STATUSES,))
