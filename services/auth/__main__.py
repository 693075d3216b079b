"""Runs auth: `python -m services.auth`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from pulso.errors import ServiceError
from pulso.service import Context, Service, run_process, running
from services.auth.contract import CONTRACT
from services.auth.handlers import routes
from services.auth.housekeeping import keep_house, write_seen
from services.auth.state import Auth, open_auth
from services.settings import ALL, AuthSettings


def build(settings: AuthSettings) -> Service[Auth]:
    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Auth]:
        async with open_auth(context.file("auth"), settings, context.push, context.now) as auth:
            async with running(keep_house(auth)):
                yield auth
            with contextlib.suppress(ServiceError):  # a store that fails now has said so in the log
                await write_seen(auth)

    return Service(CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(build, AuthSettings, os.environ, known=ALL)
