"""The command line of `pulso collect`: settings, the file, the loop, the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
from cyclopts import Parameter

from cli import settings
from cli.collector.collecting import Collector
from cli.collector.database import Database
from cli.collector.faults import Hopeless
from cli.collector.http import Http
from cli.collector.report import Report, report_for
from cli.collector.tokens import Tokens
from pulso.config import ConfigFaults, load
from pulso.process import faults_exit, run_until_signal
from services import settings as product
from services.settings import ClientSettings

SIGN_OUT_WITHIN_S = 2.0


def collect(
    *,
    url: Annotated[str, Parameter(help="The server: http://127.0.0.1:8080")],
    db: Annotated[Path, Parameter(help="The SQLite file; made if need be.")],
    once: Annotated[bool, Parameter(negative="", help="End when there is nothing more for now.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="One JSON object a line.")] = False,
    form: Annotated[
        Literal["csv"] | None,
        Parameter(name="--format", help="At the end, also write all of it beside the SQLite file, as DB.csv."),
    ] = None,
    token_file: Annotated[Path | None, Parameter(help="A file with an access token.")] = None,
) -> int:
    """Collect until there is a reason to end; what it does and its exit codes are in the command's help."""
    environ = settings.with_values(os.environ)
    if token_file is not None:
        environ = settings.without(environ, "username", "token") | {"PULSO_TOKEN_FILE": str(token_file)}
    with faults_exit():
        client = load(ClientSettings, environ, known=product.ALL)
    try:
        database = Database(db)
    except Hopeless as fault:
        return _failed(fault)
    report = report_for(database.rows, as_json=as_json)
    ended: list[Hopeless] = []

    async def main(stop: asyncio.Event) -> None:
        try:
            async with _connected(url, client, environ) as (http, tokens):
                await _until(stop, Collector(http, tokens, database, report, once=once))
        except Hopeless as fault:
            ended.append(fault)

    try:
        run_until_signal(main)
        if form is not None:
            _export(database, db.with_name(f"{db.name}.csv"))
    except Hopeless as fault:
        ended.append(fault)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no fault of ours
        return 0
    finally:
        database.close()
    return _finished(report, ended)


@contextlib.asynccontextmanager
async def _connected(
    url: str, client: ClientSettings, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Http, Tokens]]:
    """The server, and who the collector is to it; signed out at the end, where that does not take long."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        http = Http(session, url)
        given = (lambda: _token(environ, client)) if client.token else None
        tokens = Tokens(http, username=client.username, password=client.password, given=given)
        try:
            yield http, tokens
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SIGN_OUT_WITHIN_S):
                    await tokens.end()


async def _until(stop: asyncio.Event, collector: Collector) -> None:
    """Collect until it is done, or to be stopped; what is being written then is written. Raises `Hopeless`."""
    collecting = asyncio.create_task(collector.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((collecting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    collecting.cancel()
    await asyncio.wait((collecting, stopping))
    if not collecting.cancelled():
        collecting.result()


def _export(database: Database, path: Path) -> None:
    try:
        database.export_csv(path)
    except OSError as fault:
        raise Hopeless(f"{path} cannot be written: {fault.strerror}.", os.EX_CANTCREAT) from None


def _token(environ: Mapping[str, str], client: ClientSettings) -> str:
    """From its file each time: somebody may have put a new one there."""
    with contextlib.suppress(ConfigFaults):
        return load(ClientSettings, environ, known=product.ALL).token
    return client.token


def _finished(report: Report, ended: list[Hopeless]) -> int:
    with contextlib.suppress(BrokenPipeError):
        report.end()
    return _failed(ended[0]) if ended else 0


def _failed(fault: Hopeless) -> int:
    sys.stderr.write(f"{fault}\n")
    return fault.code
