"""The table at the end of a run of abuse or fault tests: each case, what is promised, what was seen.

A test reports its cases as properties of its own: those reach the terminal from other processes too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

import pytest

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


def add(test: pytest.Item, suite: str, case: Case) -> None:
    """Put a case of this test into the table of a suite."""
    test.user_properties.append((suite, astuple(case)))


class Tables:
    """A plugin that collects the cases of all tests and shows a table for each suite at the end."""

    def __init__(self, *suites: str) -> None:
        self._cases: dict[str, list[Case]] = {suite: [] for suite in suites}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name in self._cases:
                    self._cases[name].append(Case(*value))  # type: ignore[misc]  # as `add` put it in

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for suite, cases in self._cases.items():
            if cases:
                terminalreporter.section(suite)
                for line in table(cases):
                    terminalreporter.write_line(line)
