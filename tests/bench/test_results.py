"""Figures and the table: medians, ratios, bars, and how they are written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import report
from bench.results import Finding, Results, Series, figure, percentile, ratio

OURS = Series.of("Pulso", [4.0, 2.0, 3.0])
THEIRS = Series.of("Node socket.io", [6.0, 5.0, 7.0])


def results_of(*findings: Finding, failures: tuple[str, ...] = ()) -> Results:
    return Results(
        "2026-01-01T12:00:00Z",
        3,
        quick=False,
        machine={"cores": "2"},
        versions={"Python": "3.11"},
        findings=findings,
        failures=failures,
    )


def test_a_series_knows_its_median_and_its_spread() -> None:
    assert (OURS.median, OURS.low, OURS.high) == (3.0, 2.0, 4.0)


@pytest.mark.parametrize(("bar", "holds"), [(0.5, True), (0.49, False), (None, None)])
def test_a_ratio_of_medians_is_held_against_its_bar(bar: float | None, holds: bool | None) -> None:
    finding = ratio("fanout", "fan-out", "us", OURS, THEIRS, bar=bar)
    assert finding.value == 0.5
    assert finding.holds is holds


def test_nothing_may_be_lost_where_the_bar_is_zero() -> None:
    assert figure("numbers", "lost", "events", Series.of("Pulso", [0]), bar=0).holds
    assert figure("numbers", "lost", "events", Series.of("Pulso", [1]), bar=0).holds is False


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), share) == expected


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    results = results_of(ratio("fanout", "fan-out", "us", OURS, THEIRS, bar=0.55, note="a note"))
    report.write(results, tmp_path)
    assert msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results) == results
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == report.markdown(results)


def test_the_table_shows_medians_spreads_bars_and_what_holds() -> None:
    lines = report.markdown(results_of(ratio("fanout", "fan-out", "us", OURS, THEIRS, bar=0.55))).splitlines()
    (line,) = [line for line in lines if line.startswith("| fan-out")]
    assert line == "| fan-out | us | 3 (2 to 4) | Node socket.io | 6 (5 to 7) | 0.5 x | <= 0.55 x | yes |"


def test_a_row_without_figures_says_why() -> None:
    assert "- No figure: chain: Pulso closed a connection" in report.markdown(
        results_of(failures=("chain: Pulso closed a connection",))
    )


def test_a_note_that_several_findings_share_is_written_once() -> None:
    finding = ratio("fanout", "fan-out", "us", OURS, THEIRS, bar=0.55, note="a note")
    assert report.markdown(results_of(finding, finding)).count("- fanout: a note.") == 1
