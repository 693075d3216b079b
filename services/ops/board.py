"""The reports of all parties as they stand: the last of each, with the course of its events a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from msgspec import MsgspecError

from pulso import reports
from pulso.message import Envelope, Tell
from pulso.reports import REPORTED, Report
from services.ops.contract import Process

HISTORY: Final = 60
FORGET_AFTER_S: Final = 120.0
"""A party that has gone without a word is shown for so long, as silent."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    report: Report
    at: float
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Board:
    """`clock` tells seconds, from any beginning."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def accept(self, batch: list[Envelope]) -> None:
        """What comes on the channel of reports."""
        for envelope in batch:
            if isinstance(envelope, Tell) and envelope.event == REPORTED:
                try:
                    self.put(reports.decode(envelope.payload))
                except MsgspecError as fault:  # of another release: what it says is no harm to the others
                    log.warning("report not understood", fault=str(fault))

    def put(self, report: Report) -> None:
        if report.leaves:
            self._known.pop(report.instance, None)
            return
        known = self._known.get(report.instance)
        if known is None:
            known = self._known[report.instance] = _Known(report, self._clock())
        known.report, known.at = report, self._clock()
        known.history.append(_events_per_s(report))

    def processes(self) -> tuple[Process, ...]:
        """Gateways first, then by service; those that are gone for long are forgotten."""
        now = self._clock()
        self._known = {name: known for name, known in self._known.items() if now - known.at < FORGET_AFTER_S}
        found = [
            Process(known.report, round(max(0.0, now - known.at), 1), tuple(known.history))
            for known in self._known.values()
        ]
        return tuple(sorted(found, key=_order))


def _order(process: Process) -> tuple[bool, str, int, str]:
    report = process.report
    return report.service != "gateway", report.service, report.started_ms, report.instance


def _events_per_s(report: Report) -> float:
    figures = report.figures
    if "sent_per_s" in figures:
        return round(figures.get("received_per_s", 0.0) + figures["sent_per_s"], 2)
    return round(sum(call.per_s for call in report.calls), 2)
