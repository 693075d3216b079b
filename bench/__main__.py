"""`python -m bench`: run the benchmarks side by side on this machine and write the table."""

from __future__ import annotations

import gc
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import machine, report
from bench.results import Finding, Results, Unfit
from bench.rows import ROWS
from bench.run import Run
from cli.child import CannotStart
from cli.embedded_redis import find_server
from cli.live.socket import NotConnected
from pulso import log

FOLDER: Final = Path(__file__).parent
LEAST_ROUNDS: Final = 5

app = App(name="bench", help="Pulso beside Socket.IO on Node.js and plain python-socketio, on this machine.")


@app.default
def main(
    *,
    rows: Annotated[str, Parameter(help=f"Some rows only, of: {', '.join(ROWS)}.")] = "",
    rounds: Annotated[int, Parameter(help="How often the systems take turns.")] = LEAST_ROUNDS,
    quick: Annotated[
        bool, Parameter(help="Only see that everything works: few clients, one short round.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Write RESULTS.md and results.json there.")] = None,
) -> int:
    """Measure, show the table, and write it.

    A whole run writes bench/RESULTS.md and bench/results.json; one of some rows, or a quick one, is written only
    where `--out` says. Ends with status 1 where a bar is missed.
    """
    chosen = [name.strip() for name in rows.split(",") if name.strip()] or list(ROWS)
    unknown = sorted(set(chosen) - set(ROWS))
    if unknown or rounds < 1:
        print(f"There is no row {', '.join(unknown)}." if unknown else "At least one round.", file=sys.stderr)
        return 2
    log.configure(level="warning", form="pretty")
    results = uvloop.run(_measure(chosen, 1 if quick else rounds, quick=quick))
    report.show(results, Console())
    if out is None and not quick and set(chosen) == set(ROWS) and rounds >= LEAST_ROUNDS:
        out = FOLDER
    if out is not None:
        report.write(results, out)
    missed = any(finding.holds is False for finding in results.findings)
    return 1 if results.failures or (missed and not quick) else 0


async def _measure(chosen: list[str], rounds: int, *, quick: bool) -> Results:
    _, own_core = machine.cores()
    os.sched_setaffinity(0, {own_core})
    gc.disable()  # a pause of the load client would be taken for one of the server's
    before = machine.described()
    findings: list[Finding] = []
    failures: list[str] = []
    # Not refreshed by a thread of its own: it would run beside the clients.
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, auto_refresh=False, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(chosen))

        def say(what: str) -> None:
            progress.update(task, description=what, refresh=True)
            if not progress.console.is_terminal:
                progress.console.print(what)

        for name in chosen:
            try:
                findings += await ROWS[name](Run(rounds, quick, say))
            except (CannotStart, NotConnected, Unfit, TimeoutError) as fault:
                failures.append(f"{name}: {fault}")
            gc.collect()
            progress.advance(task)
    after = machine.described()
    return Results(
        at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        rounds=rounds,
        quick=quick,
        machine=before | {"load average before": before.pop("load average"), "after": after["load average"]},
        versions=machine.versions(find_server()),
        findings=tuple(findings),
        failures=tuple(failures),
    )


if __name__ == "__main__":
    sys.exit(app())
