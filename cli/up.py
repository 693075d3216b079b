"""`pulso up`: everything on one machine with one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import structlog
from cyclopts import Parameter
from cyclopts.validators import Number

from cli import settings
from cli.child import CannotStart
from cli.data_folder import DataFolder, opened, redis_url
from cli.front_door import loopback
from cli.ports import free_ports
from cli.restoring import finish
from cli.settings import Settings
from cli.stack import Plan, redis_passwords, require_free_ports, require_same_shards, running_stack, until_ready
from pulso import log
from pulso.process import faults_exit, run_until_signal

T = TypeVar("T")

ENDS_WITHIN_S: Final = 60.0

logger = structlog.get_logger(__name__)


def up(
    *,
    port: Annotated[int | None, Parameter(help="The port of pages, API and sockets. Default: 8080.")] = None,
    ops_port: Annotated[int | None, Parameter(help="The port of /readyz and /metrics. Default: 9080.")] = None,
    data: Annotated[Path | None, Parameter(help="The data folder. Default: .pulso")] = None,
    gateways: Annotated[
        int | None, Parameter(validator=Number(gte=1), help="How many gateway processes, behind nginx.")
    ] = None,
    host: Annotated[str | None, Parameter(help="The address to listen on. Default: 127.0.0.1.")] = None,
) -> int:
    """Run everything until Ctrl-C.

    Prints `ready http://127.0.0.1:8080` once it is, then logs. Without PULSO_REDIS_URL a Redis of its own is
    started. With `--gateways N` the port is nginx's, in front of N gateway processes.
    """
    environ = settings.with_values(os.environ, port=port, ops_port=ops_port, data=data, host=host)
    if not settings.is_set(environ, "log_format") and sys.stderr.isatty():
        environ["PULSO_LOG_FORMAT"] = "pretty"
    with faults_exit():
        found = settings.read(environ)
    log.configure(level=found.kit.log_level, form=found.kit.log_format)
    os.umask(0o077)  # databases and uploads are nobody else's
    try:
        with faults_exit(), opened(found.kit.data.resolve()) as folder:
            if files := finish(folder.path):
                logger.warning("a restore was broken off, and is finished now", files=files)
            succeeded = _run(found, environ, folder, gateways)
    except CannotStart as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0 if succeeded else 1


def _run(found: Settings, environ: dict[str, str], folder: DataFolder, gateways: int | None) -> bool:
    """Run until a signal; returns whether nothing failed. What only this command decides is decided here."""
    has_embedded_redis = not settings.is_set(environ, "redis_url")
    kit = replace(found.kit, data=folder.path)
    if has_embedded_redis:
        kit = settings.on_embedded_redis(kit, redis_url(folder.path))
    found = replace(
        found,
        kit=kit,
        auth=found.auth if settings.is_set(environ, "pepper") else replace(found.auth, pepper=folder.pepper()),
        gateway=replace(found.gateway, port=found.gateway.port or free_ports(1)[0]),
    )
    passwords = redis_passwords(found) if has_embedded_redis else None
    plan = Plan(found, environ, folder, passwords, gateways)
    require_same_shards(plan)
    require_free_ports(plan)

    failed: list[bool] = []

    async def main(stop: asyncio.Event) -> None:
        def on_failed() -> None:
            failed.append(True)
            stop.set()

        async with contextlib.AsyncExitStack() as stack:
            health = await _unless(stop, stack.enter_async_context(running_stack(plan, on_failed)))
            if health is not None:
                await _unless(stop, until_ready(plan, health))
            if not stop.is_set():
                print(f"ready {_url(plan.settings)}", flush=True)
                stack.enter_context(folder.address(_url(plan.settings)))
            await stop.wait()
            logger.info("stopping")
            # Whatever hangs: the programs that we started end with us.
            asyncio.get_running_loop().call_later(ENDS_WITHIN_S, os._exit, 1)

    run_until_signal(main)
    return not failed


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; or None, and `work` is cancelled, where `stop` comes first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
    return None if working.cancelled() else working.result()


def _url(found: Settings) -> str:
    """Where a browser on this machine finds it."""
    host = loopback(found.gateway.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{found.gateway.port}"
