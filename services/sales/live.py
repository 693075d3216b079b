"""What watchers are told: each new record, in order, at a pace that they and the gateways can keep.

Records come in bursts, and a burst that left at once would fill the buffers of every watcher who is not quick, who
would then be closed as slow. So they leave in parts, some twenty a second. What has still to be told is bounded;
past that the oldest are passed over, and the watchers are told to ask (`sales:gap`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from pulso.contract import Nothing
from pulso.push import Push
from services.sales import contract, metrics
from services.sales.contract import LATEST, Sale, Summary
from services.sales.rules import Taken, iso_of, milliseconds
from services.sales.sums import MINUTE_MS, Sums

PART: Final = LATEST // 2
"""Records in one part: fewer than `latest` holds, so that whoever asks meanwhile knows each (`Summary`)."""
PART_EVERY_S: Final = 0.05
MAX_UNTOLD: Final = 10_000
"""Ten seconds' worth: nobody is shown a past that is older."""
MAX_SUMMARIES: Final = 16
"""Kept until there is something new: all watchers ask for the same few."""
GAP_EVERY_S: Final = 2.0
"""How often watchers are told to ask again while more comes than they can be told."""


class Live:
    def __init__(self, sums: Sums, latest: Iterable[Sale], push: Push, now: Callable[[], datetime]) -> None:
        self._sums = sums
        self._latest = deque(latest, maxlen=LATEST)
        self._push = push
        self._now = now
        self._untold: deque[Taken] = deque()
        self._news = asyncio.Event()
        self._version = 0
        self._has_gap = True  # whoever watches since before the last end may not have been told everything
        self._gap_told_at = float("-inf")
        self._summaries: dict[tuple[int, bool], Summary] = {}
        self._summaries_of = (0, 0)

    def add(self, new: list[Taken]) -> None:
        """These were committed just now."""
        self._sums.add(new, milliseconds(self._now()))
        self._untold.extend(new)
        self._version += 1
        self._news.set()
        excess = len(self._untold) - MAX_UNTOLD
        if excess > 0:
            for _ in range(excess):
                self._latest.append(self._untold.popleft().sale)
            metrics.PASSED_OVER.inc(excess)
            self._has_gap = True
        metrics.UNTOLD.set(len(self._untold))

    async def run(self) -> None:
        """Tell what there is to tell, until cancelled."""
        while True:
            while self._untold or self._has_gap:
                self._tell()
                await asyncio.sleep(PART_EVERY_S)
            self._news.clear()
            await self._news.wait()

    def summary(self, minutes: int, *, as_told: bool) -> Summary:
        """The sums of the last minutes: as told to watchers so far, or as committed."""
        at_ms = milliseconds(self._now())
        state = (self._version, at_ms // MINUTE_MS)
        if state != self._summaries_of or len(self._summaries) >= MAX_SUMMARIES:
            self._summaries.clear()
            self._summaries_of = state
        key = (minutes, as_told and bool(self._untold))
        made = self._summaries.get(key)
        if made is None:
            made = self._summaries[key] = self._made(minutes, at_ms, as_told=key[1])
        return made

    def _tell(self) -> None:
        at = asyncio.get_running_loop().time()
        if self._has_gap and at - self._gap_told_at >= GAP_EVERY_S:
            self._has_gap = False
            self._gap_told_at = at
            self._push.to_topic(contract.FEED.name, contract.GAP, Nothing())
        for _ in range(min(PART, len(self._untold))):
            sale = self._untold.popleft().sale
            self._push.to_topic(contract.FEED.name, contract.RECORD, sale)
            self._latest.append(sale)
        self._version += 1
        metrics.UNTOLD.set(len(self._untold))

    def _made(self, minutes: int, at_ms: int, *, as_told: bool) -> Summary:
        untold = list(self._untold)
        period = self._sums.period(minutes, at_ms, without=untold if as_told else ())
        latest = list(self._latest)
        if not as_told:
            latest = [*latest, *(taken.sale for taken in untold)][-LATEST:]
        return Summary(iso_of(at_ms), minutes, period.totals, period.series, period.products, latest)
