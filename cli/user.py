"""`pulso user`: what an operator does about accounts, over the bus of the running Pulso."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from cli import settings
from cli.reached import NotRunning, kit_of, reached
from pulso.contract import ANONYMOUS
from pulso.errors import ServiceError
from pulso.process import faults_exit
from pulso.settings import KitSettings
from services.auth import contract as auth

app = App(name="user", help="Look after accounts.")


@app.command
def promote(
    name: str, *, data: Annotated[Path | None, Parameter(help="The data folder of the running `pulso up`.")] = None
) -> int:
    """Make a user an admin.

    Exit codes: 0 where it is done, 1 where it is refused, 69 where nothing is reached, 78 for wrong settings.

    Parameters
    ----------
    name
        The username.
    """
    environ = settings.with_values(os.environ, data=data)
    try:
        with faults_exit():
            kit = kit_of(environ)
        promoted = asyncio.run(_promote(kit, name))
    except NotRunning as fault:
        sys.stderr.write(f"{fault}\n")
        return os.EX_UNAVAILABLE
    except ServiceError as fault:
        sys.stderr.write(f"{fault.message}\n")
        return 1
    print(f"{promoted.name} ({name}) is an admin.")
    return 0


async def _promote(kit: KitSettings, username: str) -> auth.User:
    async with reached(kit) as up:
        channel = up.bus.channels.service("auth", 0)
        return await up.bus.call(channel, auth.PROMOTE, auth.Promotion(username), ANONYMOUS)
