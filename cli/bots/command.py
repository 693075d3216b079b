"""The command line of `pulso bots`: a run from its first connection to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from cli.bots.figures import Figures
from cli.bots.fleet import SIGNING_IN_AT_ONCE, Fleet, NoRoom
from cli.bots.reports import Report, report_for
from cli.live.account import Denied, http_session
from cli.live.address import DEFAULT, Server, check_address, servers_of
from cli.live.session import Ended
from pulso.process import run_until_signal

DEFAULT_BOTS: Final = 50
"""As many guests as a server admits in a minute, and some: its default is 60."""
SHOWN_EVERY_S: Final = 1.0
START_SHOWN_EVERY_S: Final = 0.25


def bots(
    *,
    count: Annotated[
        int, Parameter(name=("--number", "-n"), validator=Number(gte=1, lte=100_000), help="How many bots.")
    ] = DEFAULT_BOTS,
    seconds: Annotated[
        float, Parameter(validator=Number(gt=0), help="How long they all live, once all are connected.")
    ] = 60.0,
    url: Annotated[
        str,
        Parameter(
            env_var="WS",
            validator=lambda _, text: check_address(text),
            help="The server; of several, separated by commas, each takes its share.",
        ),
    ] = DEFAULT,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="One JSON object a line.")] = False,
) -> int:
    """Let bots live; what they do and the exit codes are in the command's help."""
    outcome = _Outcome()
    try:
        with report_for(as_json=as_json) as report:
            run_until_signal(lambda stop: _run(servers_of(url), count, seconds, report, outcome, stop))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no fault of ours
    if outcome.fault:
        sys.stderr.write(f"{outcome.fault}\n")
    return outcome.code


@dataclass(slots=True)
class _Outcome:
    code: int = 0
    fault: str = ""


async def _run(
    servers: tuple[Server, ...],
    count: int,
    seconds: float,
    report: Report,
    outcome: _Outcome,
    stop: asyncio.Event,
) -> None:
    async with http_session(at_once=SIGNING_IN_AT_ONCE) as http:
        fleet = Fleet(http, servers, count, say=report.say)
        keeping = asyncio.create_task(fleet.keep(), name="keep")
        try:
            await _started(fleet, report, stop)
        except (Denied, Ended, NoRoom) as fault:
            outcome.code, outcome.fault = os.EX_NOPERM, str(fault)
        else:
            figures = await _lived(fleet, seconds, report, stop)
        await fleet.stop()
        if outcome.code == 0:
            # Ctrl-C ends the run early, with a verdict; once more ends it without.
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
            report.reading_back(fleet.count)
            await fleet.read_back()
            summary = figures.summary()
            report.ended(summary)
            outcome.code = 0 if summary.everything_kept else 1
        keeping.cancel()
        await asyncio.wait((keeping,))


async def _started(fleet: Fleet, report: Report, stop: asyncio.Event) -> None:
    """Returns once all bots live, or at `stop`. Raises what keeps them from it."""
    starting = asyncio.create_task(fleet.start(), name="start")
    while not starting.done() and not stop.is_set():
        await asyncio.wait((starting,), timeout=START_SHOWN_EVERY_S)
        report.starting(fleet.signed_in, fleet.connected, fleet.count)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting


async def _lived(fleet: Fleet, seconds: float, report: Report, stop: asyncio.Event) -> Figures:
    """All of them, for so long or until `stop`."""
    figures = Figures(fleet)
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left_s := until - loop.time()) > 0 and not stop.is_set():
        figures.mark()
        report.going(figures.progress(left_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, SHOWN_EVERY_S)):
                await stop.wait()
    figures.end()
    return figures
