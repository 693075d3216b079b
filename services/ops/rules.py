"""What is wrong, as reports tell it: pure, for the page and for `pulso status` alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from pulso.reports import Report
from services.ops.contract import Level, Problem, Process, RedisFigures

SILENT_S: Final = 7.0
"""A party reports every two seconds: whoever was not heard for this long is in trouble, or gone."""
SLOW_LOOP_MS: Final = 100.0
DISK_SHARE: Final = 0.05
DISK_BYTES: Final = 1 << 30
"""A disk is short where less than either is free; with less than a quarter of that it is critical."""
REDIS_SHARE: Final = 0.8
FAILING_PER_S: Final = 0.1

_WEIGHT: Final[dict[Level, int]] = {"ok": 0, "warning": 1, "critical": 2}


def level_of(problems: Iterable[Problem]) -> Level:
    """The worst of them."""
    return max((problem.level for problem in problems), key=_WEIGHT.__getitem__, default="ok")


def problems_of(processes: Sequence[Process], redis: RedisFigures | None) -> tuple[Problem, ...]:
    """The worst first."""
    heard = [process.report for process in processes if process.age_s < SILENT_S]
    found = [
        *_of_redis(redis),
        *_of_services(heard, {process.report.service for process in processes}),
        *_silent(processes),
        *(problem for report in heard for problem in _of_party(report)),
        *_per_process(heard),
        *_of_versions(heard),
    ]
    return tuple(sorted(found, key=lambda problem: -_WEIGHT[problem.level]))


def evicts(redis: RedisFigures) -> bool:
    """Whether it drops keys when its memory is full: leases, counted attempts, the way to the journal.

    One that does not say is not accused.
    """
    return redis.eviction not in ("", "noeviction")


def _of_redis(redis: RedisFigures | None) -> Iterator[Problem]:
    if redis is None:
        yield Problem("critical", "redis_away", "redis")
        return
    if evicts(redis):
        yield Problem("critical", "redis_evicts", "redis", redis.eviction)
    if redis.max_memory_bytes and redis.memory_bytes > REDIS_SHARE * redis.max_memory_bytes:
        share = redis.memory_bytes / redis.max_memory_bytes
        yield Problem("critical" if share > 0.95 else "warning", "redis_memory", "redis", f"{share:.0%}")


def _of_services(heard: Sequence[Report], known: set[str]) -> Iterator[Problem]:
    if not any(report.service == "gateway" and report.status == "ready" for report in heard):
        yield Problem("critical", "no_gateway", "gateway")
    served: dict[str, set[int]] = defaultdict(set)
    counts: dict[str, int] = {}
    for report in heard:
        if report.service != "gateway":
            served[report.service].update(report.shards)
            counts[report.service] = max(counts.get(report.service, 1), report.shard_count)
    for service in sorted(known - {"gateway"}):
        missing = set(range(counts.get(service, 1))) - served[service]
        if missing:
            yield Problem("critical", "unserved", service, ", ".join(map(str, sorted(missing))))


def _silent(processes: Sequence[Process]) -> Iterator[Problem]:
    for process in processes:
        if process.age_s >= SILENT_S:
            yield Problem("warning", "silent", process.report.instance, f"{process.age_s:.0f}")


def _of_party(report: Report) -> Iterator[Problem]:
    if report.status == "unready":
        wrong = [check.answer for check in report.checks if check.answer not in ("ok", "standby")]
        yield Problem("warning", "unready", report.instance, "; ".join(wrong))
    for call in report.calls:
        if call.failed_per_s >= FAILING_PER_S:
            yield Problem("warning", "failing", report.instance, f"{call.endpoint}: {call.failed_per_s:g}/s")
    if report.figures.get("journal_dropped"):
        yield Problem("warning", "journal_dropped", report.instance, f"{report.figures['journal_dropped']:.0f}")


def _per_process(heard: Sequence[Report]) -> Iterator[Problem]:
    """What is so of a process or a machine is said once, however many parties it has."""
    for report in _once(heard, lambda report: (report.host, report.pid)):
        if report.loop_lag_ms >= SLOW_LOOP_MS:
            yield Problem("warning", "slow_loop", report.instance, f"{report.loop_lag_ms:.0f}")
    for report in _once(heard, lambda report: (report.disk_free_bytes >> 24, report.disk_total_bytes)):
        total, free = report.disk_total_bytes, report.disk_free_bytes
        short = min(DISK_SHARE * total, DISK_BYTES)
        if total and free < short:
            yield Problem("critical" if free < short / 4 else "warning", "disk", report.host, str(free))


def _of_versions(heard: Sequence[Report]) -> Iterator[Problem]:
    versions = sorted({report.version for report in heard})
    if len(versions) > 1:
        yield Problem("warning", "versions", "all", ", ".join(versions))


def _once(reports: Sequence[Report], key: Callable[[Report], object]) -> list[Report]:
    return list({key(report): report for report in reversed(reports)}.values())
