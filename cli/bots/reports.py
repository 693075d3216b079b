"""What a run shows: a table that lives on a terminal, lines in a pipe, JSON lines for programs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from time import monotonic
from typing import Final, Protocol

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from cli.bots.figures import AckMs, Progress, Summary

LINE_EVERY_S: Final = 5.0


class Report(Protocol):
    def say(self, sentence: str) -> None: ...

    def starting(self, signed_in: int, connected: int, count: int) -> None:
        """All bots sign in, and then connect; told again and again."""

    def going(self, progress: Progress) -> None:
        """Once a second."""

    def reading_back(self, count: int) -> None: ...

    def ended(self, summary: Summary) -> None:
        """Told once, at the end."""


class JsonReport:
    """One JSON object a line, with a `type`: `note`, `starting`, `progress`, `summary`."""

    def say(self, sentence: str) -> None:
        self._write(Note(sentence))

    def starting(self, signed_in: int, connected: int, count: int) -> None:
        self._write(Starting(signed_in, connected, count))

    def going(self, progress: Progress) -> None:
        self._write(progress)

    def reading_back(self, count: int) -> None:
        self._write(Note(f"reading back the numbers of {count} bots"))

    def ended(self, summary: Summary) -> None:
        self._write(summary)

    def _write(self, what: msgspec.Struct) -> None:
        print(msgspec.json.encode(what).decode(), flush=True)


class Note(msgspec.Struct, frozen=True, tag="note"):
    text: str


class Starting(msgspec.Struct, frozen=True, tag="starting"):
    signed_in: int
    connected: int
    bots: int


class LineReport:
    """How it goes is on standard error, the summary on standard output."""

    def __init__(self) -> None:
        self._say_at = 0.0

    def say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def starting(self, signed_in: int, connected: int, count: int) -> None:
        if self._is_turn():
            self.say(f"{signed_in} of {count} bots are signed in, {connected} connected")

    def going(self, progress: Progress) -> None:
        if self._is_turn():
            self.say(
                f"{progress.connected} of {progress.bots} connected, {progress.events_per_second:,.0f} events/s, "
                f"ack {_acks(progress.ack_ms)}, {progress.errors} errors, {progress.resumes} resumes, "
                f"{progress.seconds_left:.0f} s left"
            )

    def reading_back(self, count: int) -> None:
        self.say(f"reading back the numbers of {count} bots")

    def ended(self, summary: Summary) -> None:
        print("\n".join(lines_of(summary)), flush=True)

    def _is_turn(self) -> bool:
        now = monotonic()
        if now < self._say_at:
            return False
        self._say_at = now + LINE_EVERY_S
        return True


class TerminalReport:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            auto_refresh=False,
        )  # fmt: skip
        self._steps: list[TaskID] = []

    def say(self, sentence: str) -> None:
        self._live.console.print(Text(sentence, "yellow"))

    def starting(self, signed_in: int, connected: int, count: int) -> None:
        if not self._steps:
            self._steps = [self._bars.add_task(step, total=count) for step in ("signing in", "connecting")]
        for step, done in zip(self._steps, (signed_in, connected), strict=True):
            self._bars.update(step, completed=done)
        self._live.update(self._bars, refresh=True)

    def going(self, progress: Progress) -> None:
        self._live.update(_table_of(progress), refresh=True)

    def reading_back(self, count: int) -> None:
        self._live.update(Text(f"Reading back the numbers of {count:,} bots"), refresh=True)

    def ended(self, summary: Summary) -> None:
        *lines, verdict = lines_of(summary)
        self._live.update(
            Group(*lines, Text(verdict, "bold green" if summary.everything_kept else "bold red")), refresh=True
        )


@contextlib.contextmanager
def report_for(*, as_json: bool) -> Iterator[Report]:
    if as_json:
        yield JsonReport()
    elif not sys.stdout.isatty():
        yield LineReport()
    else:
        with Live(console=Console(highlight=False), auto_refresh=False) as live:
            yield TerminalReport(live)


def lines_of(summary: Summary) -> list[str]:
    """The last one is the verdict."""
    refused = ", ".join(f"{count:,} {code}" for code, count in sorted(summary.refused.items())) or "none"
    lines = [
        f"{summary.bots:,} bots, {summary.seconds:.0f} s: {summary.sent:,} sent, "
        f"{summary.acknowledged:,} acknowledged, {summary.events_per_second:,.0f} a second",
        f"ack {_acks(summary.ack_ms)}; sent at most {summary.late_ms:,.0f} ms late",
        f"refused: {refused}; answered wrongly: {summary.wrong:,}; never answered: {summary.never_answered:,}",
        f"connections lost: {summary.connections_lost:,}; resumed: {summary.resumes:,}",
    ]
    lines += [f"{count:,} bots did not come back: {why}" for why, count in summary.gone.items()]
    lines += summary.accusations
    if summary.everything_kept:
        return [*lines, "Everything that was acknowledged was there at the end."]
    return [*lines, f"NOT KEPT: {summary.forgotten:,} numbers forgotten, {summary.unchecked:,} not read back."]


def _table_of(progress: Progress) -> Table:
    table = Table("connected", "events/s", "ack p50", "p95", "p99", "errors", "lost", "resumed", "left", box=None)
    for column in table.columns:
        column.justify = "right"
    ack = progress.ack_ms
    table.add_row(
        f"{progress.connected:,}/{progress.bots:,}", f"{progress.events_per_second:,.0f}",
        *(_ms(value) for value in (ack.p50, ack.p95, ack.p99)),
        f"{progress.errors:,}", f"{progress.connections_lost:,}", f"{progress.resumes:,}",
        f"{progress.seconds_left:.0f} s",
        style="red" if progress.errors else "yellow" if progress.connected < progress.bots else "",
    )  # fmt: skip
    return table


def _acks(ack: AckMs) -> str:
    return f"p50 {_ms(ack.p50)}, p95 {_ms(ack.p95)}, p99 {_ms(ack.p99)}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
