"""The presence service, put together. `python -m services.presence` runs it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import AsyncIterator

from pulso.attendance import attending
from pulso.party import running
from pulso.service import run_process
from pulso.shard import Context, Service
from pulso.store import open_store
from services.presence.contract import CONTRACT
from services.presence.handlers import routes
from services.presence.presence import Presence
from services.presence.store import MIGRATIONS, Book
from services.settings import ALL, GraceSettings


def service(settings: GraceSettings) -> Service[Presence]:
    """One shard: the list is of everybody, and one process follows a hundred thousand connections."""
    return Service(CONTRACT, routes, functools.partial(start, settings))


@contextlib.asynccontextmanager
async def start(settings: GraceSettings, context: Context) -> AsyncIterator[Presence]:
    """Serves once it knows who is here, by what it kept and by what the gateways say."""
    async with open_store(context.file("presence"), migrations=MIGRATIONS) as store:
        book = Book(store)
        stored = await book.read()
        presence = Presence(book, context.push, stored)
        known = [person.user for person in stored.people]
        async with (
            attending(
                context.bus, presence, grace_s=settings.grace_seconds, known=known, known_gateways=stored.gateways
            ),
            _telling(presence),
        ):
            yield presence


@contextlib.asynccontextmanager
async def _telling(presence: Presence) -> AsyncIterator[None]:
    await presence.take_over()  # so that the first answer is no older than this start
    async with running(presence.run(), presence.tell_changes()):
        yield


if __name__ == "__main__":
    run_process(service, GraceSettings, os.environ, known=ALL)
