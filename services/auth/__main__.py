"""Runs auth: `python -m services.auth`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from pulso.errors import ServiceError
from pulso.party import running
from pulso.service import run_process
from pulso.shard import Context, Service
from services.auth.contract import CONTRACT
from services.auth.handlers import routes
from services.auth.housekeeping import keep_house, write_seen
from services.auth.state import Auth, open_auth
from services.settings import ALL, AuthSettings


def service(settings: AuthSettings) -> Service[Auth]:
    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Auth]:
        async with open_auth(context.file("auth"), settings, context.push, context.now) as auth:
            async with running(keep_house(auth)):
                yield auth
            with contextlib.suppress(ServiceError):  # a store that fails now has said so in the log
                await write_seen(auth)

    return Service(CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(service, AuthSettings, os.environ, known=ALL)
