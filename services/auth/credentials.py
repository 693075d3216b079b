"""What auth hands out: session tokens, access tokens and guests' credentials; and the ids that go with them.

A session token is 256 random bits, of which the store keeps the SHA-256 alone. A guest has no row anywhere: the
credential is a signed token that says who the guest is, and `guest.` before it tells it from the other kind.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

from pulso.tokens import AUDIENCE, ISSUER, Claims
from services.auth.contract import User
from services.auth.keys import GUEST_AUDIENCE, GUEST_LIFETIME_MS, Keys

GUEST_PREFIX: Final = "guest."
GUEST_SESSION_PREFIX: Final = "gs_"

MAX_COOKIE_AGE_S: Final = 400 * 24 * 3600
"""What browsers allow (RFC 6265bis). The server decides when an unused session is over, not the cookie's age."""


def new_id(prefix: str) -> str:
    """An id that nobody guesses or meets twice: 80 random bits in lower case."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode().lower()


def new_session_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """A fast hash will do: unlike a password, 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def access_token(keys: Keys, user: User, session: str, *, now: int, lifetime_s: int) -> str:
    return keys.sign(_claims(AUDIENCE, user, session, now, lifetime_s), now)


def guest_credential(keys: Keys, guest: User, session: str, *, now: int) -> str:
    return GUEST_PREFIX + keys.sign(_claims(GUEST_AUDIENCE, guest, session, now, GUEST_LIFETIME_MS // 1000), now)


def is_guest_session(session: str) -> bool:
    return session.startswith(GUEST_SESSION_PREFIX)


def _claims(audience: str, user: User, session: str, now: int, lifetime_s: int) -> Claims:
    issued_at = now // 1000
    return Claims(
        iss=ISSUER,
        aud=audience,
        sub=user.id,
        iat=issued_at,
        exp=issued_at + lifetime_s,
        jti=secrets.token_urlsafe(12),
        sid=session,
        name=user.name,
        kind=user.kind,
    )
