"""What is measured: one module for each kind of load, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bench.results import Finding
from bench.rows import chain, connect, fanout, idle, journal, leave, memory, numbers, room, slow, steady
from bench.run import Run

Row = Callable[[Run], Awaitable[list[Finding]]]

ROWS: Final[Mapping[str, Row]] = {
    "fanout": fanout.measure,
    "chain": chain.measure,
    "memory": memory.measure,
    "connect": connect.measure,
    "numbers": numbers.measure,
    "idle": idle.measure,
    "slow": slow.measure,
    "leave": leave.measure,
    "steady": steady.measure,
    "journal": journal.measure,
    "room": room.measure,
}
