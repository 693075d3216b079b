"""Figures: what was measured, against what, and whether it holds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec


class Unfit(Exception):
    """What is measured did not do what was asked of it: there is no figure then."""


class Series(msgspec.Struct, frozen=True):
    """One figure of one system over all rounds."""

    system: str
    samples: tuple[float, ...]
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, system: str, samples: Sequence[float]) -> Series:
        return cls(system, tuple(samples), statistics.median(samples), min(samples), max(samples))


class Finding(msgspec.Struct, frozen=True):
    """One line of the table. `value` is held against `bar`: a ratio of two medians, or a figure by itself."""

    row: str
    measure: str
    unit: str
    ours: Series
    theirs: Series | None
    value: float
    bar: float | None
    value_is: Literal["ratio", "figure"]
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """None for a figure that is shown without a bar."""
        return None if self.bar is None else self.value <= self.bar


class Results(msgspec.Struct, frozen=True):
    """A whole run, as `results.json` has it."""

    at: str
    rounds: int
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    findings: tuple[Finding, ...]
    failures: tuple[str, ...] = ()
    """Rows without figures, and why."""


def ratio(
    row: str, measure: str, unit: str, ours: Series, theirs: Series, *, bar: float | None, note: str = ""
) -> Finding:
    """Ours in relation to theirs, median by median."""
    return Finding(row, measure, unit, ours, theirs, ours.median / theirs.median, bar, "ratio", note)


def figure(row: str, measure: str, unit: str, ours: Series, *, bar: float | None, note: str = "") -> Finding:
    """A figure that stands for itself."""
    return Finding(row, measure, unit, ours, None, ours.median, bar, "figure", note)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by `share` of all (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * share)) - 1]
