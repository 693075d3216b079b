"""What auth does unasked: writes down uses of sessions, forgets what is over, changes its signing key in time."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from pulso.contract import Nothing
from pulso.errors import ServiceError
from services.auth import store
from services.auth.contract import KEYS_CHANGED
from services.auth.keys import GUEST_LIFETIME_MS
from services.auth.state import Auth

EVERY_S: Final = 30.0

log = structlog.get_logger(__name__)


async def keep_house(auth: Auth, *, every_s: float = EVERY_S) -> None:
    """Run until cancelled. What fails is tried again the next time."""
    while True:
        try:
            await once(auth)
        except ServiceError as error:
            log.warning("housekeeping put off", code=error.code, message=error.message)
        await asyncio.sleep(every_s)


async def once(auth: Auth) -> None:
    await write_seen(auth)
    await sweep(auth)
    if auth.keys.plan(auth.now()).needs_new:
        await rotate(auth)
    await auth.keys.tidy(auth.store, auth.now())


async def write_seen(auth: Auth) -> None:
    """Write down the uses of sessions since the last time."""
    seen, auth.seen = auth.seen, {}
    if not seen:
        return
    try:
        await auth.store.write(lambda connection: store.mark_seen(connection, seen.values()))
    except ServiceError:
        auth.seen = {**seen, **auth.seen}
        raise


async def sweep(auth: Auth) -> int:
    """Forget sessions once no access token of theirs can be alive, and ended guests once they would have ended."""
    now = auth.now()
    return await auth.store.write(
        lambda connection: store.sweep(
            connection,
            ended_before=now - auth.trust_ms,
            seen_before=now - auth.session_lifetime_ms - auth.trust_ms,
            guests_ended_before=now - GUEST_LIFETIME_MS - auth.trust_ms,
        )
    )


async def rotate(auth: Auth) -> None:
    """Make the key that is to sign from soon on, and have the gateways fetch it."""
    await auth.keys.rotate(auth.store, auth.now())
    await auth.gateways.to_gateways(KEYS_CHANGED, Nothing())
    log.info("signing key rotated", keys=len(auth.keys.published))
