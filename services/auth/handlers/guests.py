"""Guests: people without an account, who are nobody's row in a table."""

from __future__ import annotations

from pulso.contract import Caller
from pulso.errors import ServiceError
from services.auth import contract, rules
from services.auth.contract import GuestRequest, Profile, SignedIn, User
from services.auth.credentials import GUEST_SESSION_PREFIX, access_token, guest_credential, new_id
from services.auth.handlers.routes import routes
from services.auth.keys import GUEST_LIFETIME_MS
from services.auth.state import Auth


@routes.handler(contract.GUEST)
async def become_guest(auth: Auth, _caller: Caller, request: GuestRequest) -> SignedIn:
    if not auth.settings.guests:
        raise ServiceError("forbidden", "Guests are not admitted here. Register or log in.")
    guest = User(new_id("g_"), rules.guest_name(request.name), "guest")
    session, now, lifetime_s = new_id(GUEST_SESSION_PREFIX), auth.now(), auth.settings.token_seconds
    return SignedIn(
        user=Profile(guest.id, guest.name, guest.kind),
        access_token=access_token(auth.keys, guest, session, now=now, lifetime_s=lifetime_s),
        expires_in=lifetime_s,
        credential=guest_credential(auth.keys, guest, session, now=now),
        max_age_s=GUEST_LIFETIME_MS // rules.SECOND_MS,
    )
