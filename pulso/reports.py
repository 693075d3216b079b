"""How a process stands: a small report that each party publishes every two seconds, for whoever watches over all.

Nobody needs to listen, and nothing is kept: a report that is missed is followed by the next one. Rates are of the
last two seconds, latencies those of the last minute. `pulso.reporter` makes them.
"""

from __future__ import annotations

from typing import Final

import msgspec

REPORT_EVERY_S: Final = 2.0
REPORTED: Final = "pulso:report"
"""The event on the channel of reports; its payload is a `Report`."""
REPORT_NOW: Final = "pulso:report-now"
"""The event on the channel `report_now`: everybody is to report at once."""


class CallFigures(msgspec.Struct, frozen=True):
    """One endpoint in the last minute: `{"endpoint": "numbers:set", "per_s": 12.5, "p50_ms": 1.2, ...}`

    `failed_per_s` are those that were answered `internal`, `unavailable` or `timeout`.
    """

    endpoint: str
    per_s: float
    failed_per_s: float
    p50_ms: float
    p99_ms: float


class FileSize(msgspec.Struct, frozen=True):
    """A file of the party's in the data folder, what SQLite keeps beside it included."""

    name: str
    size_bytes: int


class Check(msgspec.Struct, frozen=True):
    """`{"name": "numbers.bus", "answer": "ok"}`"""

    name: str
    answer: str


class Report(msgspec.Struct, frozen=True):
    """One party (a gateway, an instance of a service). Several of them may share a process, and so `pid`.

    `status` is `ready`, `standby` or `unready`, by its `checks`. `shards` are those that it serves, of so many.
    `cpu` is the process' share of one core, 1.0 being all of it; 99 of 100 timers were at most `loop_lag_ms` late.
    `figures` are the party's own, by name. `leaves` is its last report.
    """

    instance: str
    service: str
    version: str
    host: str
    pid: int
    started_ms: int
    status: str
    checks: tuple[Check, ...]
    cpu: float
    memory_bytes: int
    loop_lag_ms: float
    shards: tuple[int, ...] = ()
    shard_count: int = 0
    figures: dict[str, float] = {}
    calls: tuple[CallFigures, ...] = ()
    files: tuple[FileSize, ...] = ()
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    leaves: bool = False


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Report).decode
