"""Sessions: whose a cookie is, which there are, ending them, and access tokens for the living ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pulso.contract import Caller, Nothing
from pulso.errors import ServiceError
from pulso.routes import Asked
from pulso.tokens import InvalidToken
from services.auth import contract, rules, store
from services.auth.contract import (
    AccessToken,
    EndedSession,
    Identity,
    Profile,
    Resolve,
    Session,
    Sessions,
    TrustState,
    User,
)
from services.auth.credentials import GUEST_PREFIX, access_token, is_guest_session, token_hash
from services.auth.handlers.routes import routes
from services.auth.rows import Seen, SessionRow
from services.auth.state import Auth

MAX_LISTED: Final = 200
GUESTS_A_TURN: Final = 50
"""Guests' signatures checked before the loop gets its turn: one not yet remembered costs 60 microseconds."""

_OVER: Final = "Your session is over. Sign in again."


@routes.batch_handler(contract.RESOLVE)
async def resolve(auth: Auth, calls: Sequence[Asked[Resolve]]) -> Sequence[Identity | ServiceError]:
    """One indexed read for all that wait, or two where guests are among them."""
    guests = await _believed_guests(auth, [request.credential for _, request in calls])
    hashes = {token_hash(request.credential) for _, request in calls if not _is_guests(request.credential)}
    async with auth.store.read() as connection:
        found = await store.sessions_by_token(connection, hashes) if hashes else {}
        over = await store.ended_guests(connection, [who.session for who in guests.values()]) if guests else set()
    now = auth.now()

    def answer(request: Resolve) -> Identity | ServiceError:
        if _is_guests(request.credential):
            guest = guests.get(request.credential)
            known = guest if guest is not None and guest.session not in over else None
            return known or ServiceError("unauthorized", _OVER)
        session, user = found.get(token_hash(request.credential), (None, None))
        if session is None or user is None or not auth.is_live(session, now):
            return ServiceError("unauthorized", _OVER)
        _note_use(auth, session, now, request.agent)
        return Identity(auth.user(user), session.id)

    return [answer(request) for _, request in calls]


@routes.handler(contract.TOKEN)
async def new_token(auth: Auth, caller: Caller, _request: Nothing) -> AccessToken:
    if is_guest_session(caller.session):
        async with auth.store.read() as connection:
            is_over = bool(await store.ended_guests(connection, [caller.session]))
        if is_over or not auth.settings.guests:
            raise ServiceError("unauthorized", _OVER)
        user, profile = User(caller.id, caller.name, "guest"), _guest_profile(caller)
    else:
        async with auth.store.read() as connection:
            found = await store.session_by_id(connection, caller.session)
        if found is None or not auth.is_live(found[0], auth.now()):
            raise ServiceError("unauthorized", _OVER)
        session, row = found
        _note_use(auth, session, auth.now(), session.agent)
        user, profile = auth.user(row), auth.profile(row)
    lifetime_s = auth.settings.token_seconds
    token = access_token(auth.keys, user, caller.session, now=auth.now(), lifetime_s=lifetime_s)
    return AccessToken(profile, token, lifetime_s)


@routes.handler(contract.ME)
async def me(auth: Auth, caller: Caller, _request: Nothing) -> Profile:
    if is_guest_session(caller.session):
        return _guest_profile(caller)
    async with auth.store.read() as connection:
        row = await store.user_by_id(connection, caller.id)
    if row is None:
        raise ServiceError("unauthorized", _OVER)
    return auth.profile(row)


@routes.handler(contract.SESSIONS)
async def list_sessions(auth: Auth, caller: Caller, _request: Nothing) -> Sessions:
    """The last used first, `MAX_LISTED` at the most. A guest has none that is kept."""
    seen_after = auth.now() - auth.session_lifetime_ms
    async with auth.store.read() as connection:
        rows = await store.open_sessions(connection, caller.id, seen_after=seen_after, limit=MAX_LISTED)
    return Sessions([_shown(row, auth.seen.get(row.id), current=row.id == caller.session) for row in rows])


@routes.handler(contract.LOGOUT)
async def logout(auth: Auth, caller: Caller, _request: Nothing) -> Nothing:
    now = auth.now()
    if is_guest_session(caller.session):
        await auth.store.write(lambda connection: store.end_guest(connection, caller.session, at=now))
    else:
        await auth.store.write(
            lambda connection: store.end_session(connection, caller.session, at=now, reason="logout")
        )
    await auth.tell_ended([caller.session], "logout")
    return Nothing()


@routes.handler(contract.LOGOUT_ALL)
async def logout_all(auth: Auth, caller: Caller, request: Nothing) -> Nothing:
    """The asking session among them. A guest has no other."""
    if is_guest_session(caller.session):
        return await logout(auth, caller, request)
    now = auth.now()
    ended = await auth.store.write(
        lambda connection: store.end_sessions_of(connection, caller.id, at=now, reason="revoked")
    )
    await auth.tell_ended(ended, "revoked")
    return Nothing()


@routes.handler(contract.TRUST)
async def trust(auth: Auth, _caller: Caller, _request: Nothing) -> TrustState:
    async with auth.store.read() as connection:
        ended = await store.ended_since(connection, auth.now() - auth.trust_ms)
    return TrustState(
        keys=auth.keys.published,
        ended=[EndedSession(session, rules.iso(at)) for session, at in ended],
    )


async def _believed_guests(auth: Auth, credentials: Sequence[str]) -> dict[str, Identity]:
    """By credential: the guests that signed credentials name. Nobody where guests are not admitted."""
    believed: dict[str, Identity] = {}
    mine = [credential for credential in credentials if _is_guests(credential)] if auth.settings.guests else []
    for count, credential in enumerate(mine, start=1):
        try:
            claims = auth.keys.guests.verify(credential.removeprefix(GUEST_PREFIX), auth.now() / 1000)
        except InvalidToken:
            continue
        finally:
            if count % GUESTS_A_TURN == 0:
                await asyncio.sleep(0)
        believed[credential] = Identity(User(claims.sub, claims.name, "guest"), claims.sid)
    return believed


def _is_guests(credential: str) -> bool:
    return credential.startswith(GUEST_PREFIX)


def _note_use(auth: Auth, session: SessionRow, now: int, agent: str) -> None:
    """Have the use written down, unless that was done a moment ago by the same program."""
    agent = agent or session.agent
    if session.id not in auth.seen and (
        now >= session.last_seen_at + rules.SEEN_EVERY_MS or agent != session.agent
    ):
        auth.seen[session.id] = Seen(session.id, now, agent)


def _guest_profile(caller: Caller) -> Profile:
    return Profile(caller.id, caller.name, "guest")


def _shown(row: SessionRow, seen: Seen | None, *, current: bool) -> Session:
    return Session(
        id=row.id,
        created_at=rules.iso(row.created_at),
        last_seen_at=rules.iso(seen.at if seen else row.last_seen_at),
        address=row.address,
        agent=seen.agent if seen else row.agent,
        current=current,
    )
