"""The table of a run: for the terminal, as Markdown, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from bench.results import Finding, Results, Series

COLUMNS: Final = ("measure", "unit", "Pulso", "against", "theirs", "value", "bar", "holds")


def show(results: Results, console: Console) -> None:
    """On a terminal."""
    table = Table("measure", "Pulso", "against", "value", "bar", "holds", box=box.SIMPLE, padding=(0, 1, 1, 0))
    for finding in results.findings:
        measure, unit, ours, system, theirs, value, bar, holds = _cells(finding)
        table.add_row(f"{measure}\n[dim]{unit}", ours, f"{theirs}\n[dim]{system}", value, bar, holds)
    console.print(table, "Median (lowest to highest of all rounds).")
    for failure in results.failures:
        console.print(f"[red]no figure[/] {failure}", soft_wrap=True)


def write(results: Results, folder: Path) -> None:
    """RESULTS.md and results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    document = msgspec.json.format(msgspec.json.encode(results), indent=2)
    (folder / "results.json").write_bytes(document + b"\n")
    (folder / "RESULTS.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Results) -> str:
    lines = [
        "# Results",
        "",
        f"Made by `make bench` at {results.at}, in {results.rounds} rounds in which the systems took turns"
        f"{' (a quick run: no figure worth keeping)' if results.quick else ''}. A figure is the median of all",
        "rounds, with the lowest and the highest. A value is the ratio of the medians, or the figure itself where",
        "nobody is beside it. How it is measured: [README.md](README.md).",
        "",
        _line(COLUMNS),
        _line(["---"] * len(COLUMNS)),
        *(_line(_cells(finding)) for finding in results.findings),
        "",
        *(f"- No figure: {failure}" for failure in results.failures),
        *(f"- {row}: {note}." for row, note in dict.fromkeys((f.row, f.note) for f in results.findings if f.note)),
        "",
        "## Machine and versions",
        "",
        *(f"- {name}: {value}" for name, value in {**results.machine, **results.versions}.items()),
    ]
    return "\n".join(lines) + "\n"


def _cells(finding: Finding) -> tuple[str, ...]:
    times = " x" if finding.value_is == "ratio" else ""
    bar = "" if finding.bar is None else f"<= {finding.bar:g}{times}"
    return (
        finding.measure,
        finding.unit,
        _series(finding.ours),
        finding.theirs.system if finding.theirs else "",
        _series(finding.theirs) if finding.theirs else "",
        f"{_number(finding.value)}{times}",
        bar,
        {None: "", True: "yes", False: "NO"}[finding.holds],
    )


def _series(series: Series) -> str:
    if len(series.samples) == 1:
        return _number(series.median)
    return f"{_number(series.median)} ({_number(series.low)} to {_number(series.high)})"


def _number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
