"""`pulso user`: what an operator does about accounts, over the bus of the running Pulso."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from cli import settings
from cli.data_folder import redis_socket, redis_url
from pulso.config import load
from pulso.contract import ANONYMOUS
from pulso.errors import ServiceError
from pulso.party import connected
from pulso.process import faults_exit
from pulso.settings import KitSettings
from services import settings as product
from services.auth import contract as auth

REACHED_WITHIN_S: Final = 5.0

app = App(name="user", help="Look after accounts.")


@app.command
def promote(
    name: str, *, data: Annotated[Path | None, Parameter(help="The data folder of the running `pulso up`.")] = None
) -> int:
    """Make a user an admin.

    Parameters
    ----------
    name
        The username.
    """
    environ = settings.with_values(os.environ, data=data)
    with faults_exit():
        kit = load(KitSettings, environ, known=product.ALL)
    try:
        if not settings.is_set(environ, "redis_url"):
            kit = _embedded(kit)
        promoted = asyncio.run(_promote(kit, name))
    except _NotRunning as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    if isinstance(promoted, ServiceError):
        sys.stderr.write(f"{promoted.message}\n")
        return 1
    print(f"{promoted.name} ({name}) is an admin.")
    return 0


class _NotRunning(Exception):
    """There is no Pulso to talk to; says where one was looked for."""


def _embedded(kit: KitSettings) -> KitSettings:
    data = kit.data.resolve()
    if not redis_socket(data).exists():
        raise _NotRunning(
            f"No `pulso up` runs on the data folder {data}. Start it, name its folder with --data, "
            "or say with PULSO_REDIS_URL where Redis is."
        )
    return settings.on_embedded_redis(kit, redis_url(data))


async def _promote(kit: KitSettings, username: str) -> auth.User | ServiceError:
    try:
        async with (
            asyncio.timeout(REACHED_WITHIN_S),
            connected(kit, name="cli", inbox=lambda channels, instance: channels.instance("cli", instance)) as up,
        ):
            await up.bus.listen(up.bus.inbox, lambda batch: _drop(up.bus.take_replies(batch)))
            channel = up.bus.channels.service("auth", 0)
            try:
                return await up.bus.call(channel, auth.PROMOTE, auth.Promotion(username), ANONYMOUS)
            except ServiceError as refused:
                return refused  # raised from here it would come out in an exception group
    except TimeoutError:
        raise _NotRunning("Redis does not answer. Is Pulso running?") from None


def _drop(_rest: object) -> None:
    """Nothing but replies comes to this inbox."""
