"""How the collecting goes: a line that moves on a terminal, plain lines in a pipe, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TextIO

from rich.console import Console
from rich.status import Status

from pulso.times import iso

RATE_OVER_S: Final = 10.0
SAY_EVERY_S: Final = 5.0


class Report(Protocol):
    def stored(self, new: int, rows: int, lag_s: float | None) -> None:
        """A page was stored: `lag_s` is how long ago its last sale was made."""

    def note(self, text: str) -> None: ...

    def trouble(self, text: str, retry_s: float) -> None: ...

    def end(self) -> None: ...


class Progress:
    """The figures of a run."""

    def __init__(self, rows: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows = rows
        self.new = 0
        self.lag_s: float | None = None
        self._clock = clock
        self._began = clock()
        self._lately: deque[tuple[float, int]] = deque()

    def add(self, new: int, rows: int, lag_s: float | None) -> None:
        self.new += new
        self.rows = rows
        self.lag_s = self.lag_s if lag_s is None else lag_s
        self._lately.append((self._clock(), new))

    def rate(self) -> float:
        """New rows a second, over the last ten seconds."""
        now = self._clock()
        while self._lately and self._lately[0][0] < now - RATE_OVER_S:
            self._lately.popleft()
        return sum(new for _, new in self._lately) / max(1.0, min(RATE_OVER_S, now - self._began))

    def text(self) -> str:
        lag = "–" if self.lag_s is None else f"{self.lag_s:.1f} s"  # noqa: RUF001  # a dash for a person
        return f"{self.rows} rows, {self.new} new, {self.rate():.1f}/s, lag {lag}"


class OnTerminal:
    """One line that moves, on the terminal's last row."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._console = Console()
        self._status = Status("Connecting", console=self._console)
        self._status.start()

    def stored(self, new: int, rows: int, lag_s: float | None) -> None:
        self._progress.add(new, rows, lag_s)
        self._status.update(self._progress.text())

    def note(self, text: str) -> None:
        self._console.print(text, markup=False)

    def trouble(self, text: str, retry_s: float) -> None:
        self._status.update(f"{text}; trying again in {retry_s:.1f} s. {self._progress.text()}")

    def end(self) -> None:
        self._status.stop()
        self._console.print(self._progress.text(), highlight=False)


class InLines:
    """Plain lines, one in five seconds at the most, but for what a person should know at once."""

    def __init__(self, progress: Progress, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._out = out
        self._clock = clock
        self._said_at = float("-inf")
        self._rows_said = -1

    def stored(self, new: int, rows: int, lag_s: float | None) -> None:
        self._progress.add(new, rows, lag_s)
        if self._clock() - self._said_at >= SAY_EVERY_S:
            self._said_at = self._clock()
            self._say_progress()

    def note(self, text: str) -> None:
        self._say(text)

    def trouble(self, text: str, retry_s: float) -> None:
        self._say(f"{text}; trying again in {retry_s:.1f} s")

    def end(self) -> None:
        if self._rows_said != self._progress.rows:
            self._say_progress()

    def _say_progress(self) -> None:
        self._rows_said = self._progress.rows
        self._say(self._progress.text())

    def _say(self, text: str) -> None:
        self._out.write(f"{iso(datetime.now(UTC))} {text}\n")
        self._out.flush()


class InJson:
    """One JSON object a line: `{"event": "progress", "rows": 812, "new": 12, "rate": 1.0, "lag_s": 0.3, ...}`."""

    def __init__(self, progress: Progress, out: TextIO) -> None:
        self._progress = progress
        self._out = out

    def stored(self, new: int, rows: int, lag_s: float | None) -> None:
        self._progress.add(new, rows, lag_s)
        self._say("progress", **self._figures())

    def note(self, text: str) -> None:
        self._say("note", message=text)

    def trouble(self, text: str, retry_s: float) -> None:
        self._say("trouble", message=text, retry_s=round(retry_s, 3))

    def end(self) -> None:
        self._say("end", **self._figures())

    def _figures(self) -> dict[str, Any]:
        progress = self._progress
        lag_s = None if progress.lag_s is None else round(progress.lag_s, 3)
        return {"rows": progress.rows, "new": progress.new, "rate": round(progress.rate(), 1), "lag_s": lag_s}

    def _say(self, event: str, **fields: Any) -> None:
        self._out.write(json.dumps({"event": event, "at": iso(datetime.now(UTC)), **fields}) + "\n")
        self._out.flush()


def report_for(rows: int, *, as_json: bool) -> Report:
    progress = Progress(rows)
    if as_json:
        return InJson(progress, sys.stdout)
    return OnTerminal(progress) if sys.stdout.isatty() else InLines(progress, sys.stdout)
