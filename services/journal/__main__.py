"""The journal service, put together. `python -m services.journal` runs it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from pulso.party import running
from pulso.service import run_process
from pulso.shard import Context, Service
from pulso.store import open_store
from services.journal.contract import CONTRACT
from services.journal.handlers import routes
from services.journal.intake import Intake
from services.journal.journal import Journal
from services.journal.retention import Retention
from services.journal.store import MIGRATIONS, JournalStore
from services.settings import ALL, JournalSettings


def service(settings: JournalSettings) -> Service[Journal]:
    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Journal]:
        async with open_store(context.file("journal"), migrations=MIGRATIONS) as opened:
            store = JournalStore(opened)
            intake = Intake(
                context.bus.link,
                store,
                await store.committed(),
                prefix=context.bus.channels.prefix,
                now=context.now,
            )
            retention = Retention(
                store,
                intake,
                days=settings.journal_days,
                most_bytes=settings.journal_megabytes << 20,
                now=context.now,
            )
            async with running(intake.run(), retention.run()):
                yield Journal(store)

    return Service(CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(service, JournalSettings, os.environ, known=ALL)
