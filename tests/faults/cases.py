"""The table at the end of a run of fault tests: each case, what is promised, what was seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("case", "expected", "seen")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    expected: str
    seen: str


def table(cases: Iterable[Case]) -> list[str]:
    """Its lines, the columns as wide as they must be."""
    rows = [HEAD, *((case.name, case.expected, case.seen) for case in cases)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [lines[0], "-+-".join("-" * width for width in widths), *lines[1:]]
