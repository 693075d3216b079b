"""What clock offers: the server's time when asked for, and each second to every connection."""

from __future__ import annotations

from typing import Final

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Topic


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's time, in UTC: `{"now": "2026-01-31T12:00:00.000Z"}`."""

    now: str


NOON: Final = Time("2026-01-31T12:00:00.000Z")

NOW: Final = Endpoint(
    "clock:now",
    Nothing,
    Time,
    Access.ANYONE,
    "Ask for the server's time.",
    reads=True,
    example=Example(Nothing(), NOON),
)

TICK: Final = Event("clock:tick", Time, "The server's time, each second on the second.", example=NOON)
TICKS: Final = Topic("clock.ticks", (TICK,), everyone=True)

CONTRACT: Final = Contract("clock", endpoints=(NOW,), topics=(TICKS,))
