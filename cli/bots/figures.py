"""The figures of a run: how it goes now, and what came of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Final

import msgspec

from cli.bots.fleet import Fleet
from cli.live.latency import Latencies

LATELY_S: Final = 5.0


class AckMs(msgspec.Struct, frozen=True):
    """How long acknowledgements took, in milliseconds; null where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, latencies: Latencies) -> AckMs:
        return cls(*(_ms(latencies.percentile(share)) for share in (0.5, 0.95, 0.99)))


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """One a second: rates and acknowledgements are those of the last five seconds."""

    seconds_left: float
    bots: int
    connected: int
    events_per_second: float
    ack_ms: AckMs
    sent: int
    acknowledged: int
    errors: int
    connections_lost: int
    resumes: int


class Summary(msgspec.Struct, frozen=True, tag="summary"):
    """The end. `everything_kept`: nothing that was acknowledged was forgotten, and everything was looked at.

    `refused` are error answers by their code; `never_answered` was under way on connections that were lost, or not
    answered in time. `forgotten` are the times that a server told another number than it had acknowledged, of
    which `accusations` has the first; `unchecked` the bots whose number could not be read back.
    """

    bots: int
    seconds: float
    sent: int
    acknowledged: int
    events_per_second: float
    ack_ms: AckMs
    refused: dict[str, int]
    wrong: int
    never_answered: int
    connections_lost: int
    resumes: int
    gone: dict[str, int]
    late_ms: float
    forgotten: int
    accusations: list[str]
    unchecked: int
    everything_kept: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    acknowledged: int
    latencies: Latencies


class Figures:
    """Of a fleet, once all of it lives; `mark` is called once a second."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._marks: deque[_Mark] = deque()
        self._began = self._ended = self._now()

    def mark(self) -> None:
        mark = self._now()
        self._marks.append(mark)
        while mark.at - self._marks[0].at > LATELY_S:
            self._marks.popleft()

    def end(self) -> None:
        """No bot sends any more: what comes is not counted into rates."""
        self._ended = self._now()

    def progress(self, seconds_left: float) -> Progress:
        fleet, now = self._fleet, self._now()
        then = self._marks[0] if self._marks else now
        return Progress(
            seconds_left=round(seconds_left, 1),
            bots=fleet.count,
            connected=fleet.connected,
            events_per_second=_rate(now.acknowledged - then.acknowledged, now.at - then.at),
            ack_ms=AckMs.of(now.latencies.since(then.latencies)),
            sent=fleet.tally.sent,
            acknowledged=now.acknowledged,
            errors=errors(fleet),
            connections_lost=fleet.tally.lost_connections,
            resumes=fleet.resumes,
        )

    def summary(self) -> Summary:
        """After `end` and `Fleet.read_back`."""
        fleet, tally, seconds = self._fleet, self._fleet.tally, self._ended.at - self._began.at
        return Summary(
            bots=fleet.count,
            seconds=round(seconds, 1),
            sent=tally.sent,
            acknowledged=tally.answered - tally.refused.total(),
            events_per_second=_rate(self._ended.acknowledged - self._began.acknowledged, seconds),
            ack_ms=AckMs.of(tally.latencies),
            refused=dict(tally.refused),
            wrong=tally.wrong,
            never_answered=tally.never_answered,
            connections_lost=tally.lost_connections,
            resumes=fleet.resumes,
            gone=dict(fleet.gone),
            late_ms=round(fleet.rhythm.late_s * 1e3, 1),
            forgotten=tally.forgotten,
            accusations=tally.accusations,
            unchecked=fleet.unchecked,
            everything_kept=not (tally.forgotten or tally.wrong or fleet.unchecked),
        )

    def _now(self) -> _Mark:
        tally = self._fleet.tally
        return _Mark(monotonic(), tally.answered - tally.refused.total(), tally.latencies.copy())


def errors(fleet: Fleet) -> int:
    """Refusals, wrong answers, and bots that the server does not want back."""
    return fleet.tally.refused.total() + fleet.tally.wrong + fleet.gone.total()


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 2)
