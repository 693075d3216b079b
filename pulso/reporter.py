"""Makes a party's reports and publishes them: every two seconds, at once when asked, and a last one at its end."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pulso import __version__, metrics, reports
from pulso.bus import Bus
from pulso.message import Envelope, Tell
from pulso.probes import Health
from pulso.reports import REPORT_EVERY_S, REPORTED, Check, FileSize, Report
from pulso.tallies import Histogram, Tally
from pulso.windows import CallWindow, P99Lately, Rate

Read = Callable[[], float]
LEAST_BETWEEN_S: Final = 0.25
"""However often it is asked for, no report follows the one before sooner."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who reports, and from what. `counters` are told as what they grow by a second, `gauges` as they are.

    `shards` are those served now of `shard_count`; `files` the pattern of the party's files in `data`.
    """

    service: str
    instance: str
    health: Health
    data: Path
    latencies: Histogram
    outcomes: Tally
    belongs: Callable[[str], bool]
    counters: Mapping[str, Read] = field(default_factory=dict)
    gauges: Mapping[str, Read] = field(default_factory=dict)
    shards: Callable[[], tuple[int, ...]] = tuple
    shard_count: int = 0


class Reporter:
    def __init__(self, bus: Bus, party: Party) -> None:
        self._bus = bus
        self._party = party
        self._started_ms = int(time.time() * 1000)
        self._wanted = asyncio.Event()
        self._calls = CallWindow(party.latencies, party.outcomes, party.belongs)
        self._lag = P99Lately(metrics.LOOP_LAG_SECONDS)
        self._cpu = Rate(_cpu_s)
        self._rates = {name: Rate(read) for name, read in party.counters.items()}
        self._sent_at = float("-inf")

    async def run(self) -> None:
        """Report until cancelled; then say that this party leaves."""
        loop = asyncio.get_running_loop()
        await self._bus.listen(self._bus.channels.report_now, self._asked)
        try:
            while True:
                files, disk = await asyncio.to_thread(_on_disk, self._party.data, self._party.service)
                self._send(self._report(files, disk))
                self._sent_at = loop.time()
                try:
                    async with asyncio.timeout(REPORT_EVERY_S):
                        await self._wanted.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(max(0.0, self._sent_at + LEAST_BETWEEN_S - loop.time()))
                self._wanted.clear()
        finally:
            self._bus.unlisten(self._bus.channels.report_now)
            self._send(self._report((), (0, 0), leaves=True))

    def report_soon(self) -> None:
        """Something has changed that those who watch should see at once."""
        self._wanted.set()

    def _asked(self, _batch: list[Envelope]) -> None:
        self.report_soon()

    def _send(self, report: Report) -> None:
        self._bus.send(self._bus.channels.reports, Tell(REPORTED, reports.encode(report)))

    def _report(self, files: tuple[FileSize, ...], disk: tuple[int, int], *, leaves: bool = False) -> Report:
        party = self._party
        mine = {name: answer for name, answer in party.health.report().items() if _is_of(party.service, name)}
        return Report(
            instance=party.instance,
            service=party.service,
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_ms=self._started_ms,
            status=party.health.status(only=mine.values()),
            checks=tuple(Check(name, answer) for name, answer in mine.items()),
            cpu=round(self._cpu.per_s(), 3),
            memory_bytes=_memory_bytes(),
            loop_lag_ms=round(self._lag.value() * 1000, 2),
            shards=party.shards(),
            shard_count=party.shard_count,
            figures={name: rate.per_s() for name, rate in self._rates.items()}
            | {name: read() for name, read in party.gauges.items()},
            calls=self._calls.figures(),
            files=files,
            disk_free_bytes=disk[0],
            disk_total_bytes=disk[1],
            leaves=leaves,
        )


def _is_of(service: str, check: str) -> bool:
    return check.partition(".")[0] == service


def _on_disk(data: Path, service: str) -> tuple[tuple[FileSize, ...], tuple[int, int]]:
    """The service's databases, each with what SQLite keeps beside it, and the free and all bytes of their disk."""
    sizes: dict[str, int] = defaultdict(int)
    try:
        for pattern in (f"{service}.sqlite3*", f"{service}-*of*.sqlite3*"):
            for path in data.glob(pattern):
                sizes[path.name.partition(".sqlite3")[0] + ".sqlite3"] += path.stat().st_size
        usage = shutil.disk_usage(data)
    except OSError:  # a file that went between the look and the question, or a folder that is not there yet
        return (), (0, 0)
    return tuple(FileSize(*item) for item in sorted(sizes.items())), (usage.free, usage.total)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_bytes() -> int:
    """Resident now; where the system does not tell, the most that it ever was."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
