"""A status as a terminal shows it: a sentence first, then what is to be looked after, then the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.ops.contract import Level, Problem, ProblemCode, Process, RedisFigures, Status

WIDE: Final = 110
_COLOUR: Final[dict[Level, str]] = {"ok": "green", "warning": "yellow", "critical": "red"}
_MARK: Final[dict[Level, str]] = {"ok": "●", "warning": "▲", "critical": "✖"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")

_SAID: Final[dict[ProblemCode, Callable[[Problem], str]]] = {
    "no_gateway": lambda _: "No gateway is ready: nobody can connect. See its log.",
    "unserved": lambda p: f"Nobody serves {p.subject} (shard {p.detail}). Start it, or see its log.",
    "silent": lambda p: f"{p.subject} has not been heard for {p.detail} s. It hangs, or has gone without a word.",
    "unready": lambda p: f"{p.subject} is not ready: {p.detail}.",
    "slow_loop": lambda p: f"{p.subject} comes {p.detail} ms late to its own timers: its core has too much to do.",
    "failing": lambda p: f"{p.subject} fails calls: {p.detail}. Its log says why.",
    "disk": lambda p: f"The disk of {p.subject} has {size(int(p.detail))} left. Make room.",
    "redis_memory": lambda p: f"Redis has used {p.detail} of its memory. Give it more.",
    "redis_evicts": lambda p: f"Redis drops keys that are needed ({p.detail}): set maxmemory-policy noeviction.",
    "redis_away": lambda _: "Redis does not answer.",
    "versions": lambda p: f"Different releases run together: {p.detail}. Restart those left behind.",
    "journal_dropped": lambda p: f"{p.subject} has dropped {p.detail} journal records.",
}


def show(console: Console, status: Status, address: str) -> None:
    colour = _COLOUR[status.level]
    console.print(f"[{colour}]{_MARK[status.level]}[/] [bold]{escape(sentence(status))}[/]")
    if address:
        console.print(f"  {address}    /ops for admins", style="dim")
    for problem in status.problems:
        console.print(
            f"  [{_COLOUR[problem.level]}]{_MARK[problem.level]}[/] {escape(_SAID[problem.code](problem))}"
        )
    gateways = [process for process in status.processes if process.report.service == "gateway"]
    services = [process for process in status.processes if process.report.service != "gateway"]
    for rows, table in ((gateways, _gateways), (services, _services)):
        if rows:
            console.print()
            console.print(table(rows, console.width >= WIDE))
    console.print()
    console.print(_redis(status.redis))
    for line in _disks(status.processes):
        console.print(line)


def sentence(status: Status) -> str:
    gateways = [process for process in status.processes if process.report.service == "gateway"]
    people = sum(int(process.report.figures.get("connections", 0)) for process in gateways)
    services = {process.report.service for process in status.processes} - {"gateway"}
    if status.level == "critical":
        return f"Pulso does not work as it should: {_count(len(status.problems), 'problem')}."
    works = (
        f"{_count(len(gateways), 'gateway')}, {_count(len(services), 'service')}, {_count(people, 'connection')}"
    )
    if status.level == "warning":
        return f"Pulso works, with {_count(len(status.problems), 'thing')} to look after: {works}."
    return f"Pulso works: {works}."


def size(count: float) -> str:
    """`1.5 MiB`"""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the last unit takes all")


def _gateways(processes: Sequence[Process], _is_wide: bool) -> Table:
    table = _table("gateway", "state", ">connections", ">in/s", ">out/s", ">p99", ">loop lag", ">outbox", ">slow")
    for process in processes:
        report, figures = process.report, process.report.figures
        table.add_row(
            report.instance,
            _state(process),
            f"{figures.get('connections', 0):.0f}",
            f"{figures.get('received_per_s', 0):.1f}",
            f"{figures.get('sent_per_s', 0):.1f}",
            _ms(max((call.p99_ms for call in report.calls), default=None)),
            _ms(report.loop_lag_ms),
            size(figures.get("outbox_bytes", 0)),
            f"{figures.get('slow_closes', 0):.0f}",
        )
    return table


def _services(processes: Sequence[Process], is_wide: bool) -> Table:
    """A narrow terminal is shown what there is room for."""
    more = (">memory", "release", ">up", "busiest") if is_wide else ()
    table = _table("service", "instance", "state", ">shards", ">in hand", ">calls/s", ">p50", ">p99", *more)
    for process in processes:
        report = process.report
        busiest = report.calls[0] if report.calls else None
        shown = (
            report.service,
            report.instance,
            _state(process),
            f"{len(report.shards)}/{report.shard_count}",
            f"{report.figures.get('in_hand', 0):.0f}",
            f"{sum(call.per_s for call in report.calls):.1f}",
            _ms(busiest.p50_ms if busiest else None),
            _ms(busiest.p99_ms if busiest else None),
        )
        rest = (
            size(report.memory_bytes),
            report.version,
            _since(report.started_ms),
            busiest.endpoint if busiest else "",
        )
        table.add_row(*shown, *(rest if is_wide else ()))
    return table


def _table(*names: str) -> Table:
    """A column for each name; those with a > are numbers."""
    columns = (
        Column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
        for name in names
    )
    return Table(*columns, box=None, pad_edge=False, header_style="dim")


def _redis(redis: RedisFigures | None) -> str:
    if redis is None:
        return "[red]Redis does not answer.[/]"
    limit = f" of {size(redis.max_memory_bytes)}" if redis.max_memory_bytes else ""
    return (
        f"[dim]redis[/] {redis.version}, {size(redis.memory_bytes)}{limit}, {redis.clients} clients, "
        f"{redis.per_s:.0f} commands/s"
    )


def _disks(processes: Sequence[Process]) -> list[str]:
    lines = []
    for host in sorted({process.report.host for process in processes}):
        reports = [process.report for process in processes if process.report.host == host]
        files = {file.name: file.size_bytes for report in reports for file in report.files}
        free, total = min((report.disk_free_bytes, report.disk_total_bytes) for report in reports)
        names = ", ".join(f"{name} {size(count)}" for name, count in sorted(files.items()))
        lines.append(
            f"[dim]disk of[/] {escape(host)}: {size(free)} of {size(total)} free{'; ' if names else ''}{names}"
        )
    return lines


def _state(process: Process) -> str:
    if process.age_s > 5:
        return f"[yellow]silent {process.age_s:.0f} s[/]"
    return {"ready": "[green]ready[/]", "standby": "standby"}.get(process.report.status, "[red]unready[/]")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _since(started_ms: int) -> str:
    seconds = max(0, int(datetime.now(UTC).timestamp() - started_ms / 1000))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
