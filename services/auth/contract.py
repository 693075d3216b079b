"""What auth offers: accounts, sessions, access tokens and guests.

The gateway alone turns the `credential` of a result into a cookie; no client ever sees it in a body. A
credential is either a session token (256 random bits) or a guest's signed token.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from pulso.contract import Access, Caller, Contract, Endpoint, Event, Example, Nothing, Surface

UserKind = Literal["guest", "user", "admin"]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Password = Annotated[str, msgspec.Meta(description="At most 1024 bytes as UTF-8; a longer one is `too_large`.")]


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who somebody is to others: `{"id": "u_4kq...", "name": "Ana", "kind": "user"}`."""

    id: str
    name: str
    kind: UserKind


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner of an account sees of it; `username` and `email` are null for guests.

    `{"id": "u_4kq...", "name": "Ana", "kind": "user", "username": "ana", "email": "ana@example.com"}`
    """

    id: str
    name: str
    kind: UserKind
    username: str | None = None
    email: str | None = None


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"name": "Ana", "username": "ana", "email": "ana@example.com", "password": "..."}`"""

    name: Text
    username: Text
    email: Text
    password: Password


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"username": "ana", "password": "..."}`; the e-mail address serves as the username, too."""

    username: Text
    password: Password


class GuestRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"name": "Rui"}`, or nothing: then a name is made up."""

    name: Annotated[str, msgspec.Meta(max_length=40)] | None = None


class SignedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fresh sign-in, for the gateway: `max_age_s` is how long the cookie with `credential` may live."""

    user: Profile
    access_token: str
    expires_in: int
    credential: str
    max_age_s: int


class AccessToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client gets for signing in, and for `token`; `expires_in` is in seconds.

    `{"user": {...}, "access_token": "eyJ...", "expires_in": 900}`
    """

    user: Profile
    access_token: str
    expires_in: int


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signed-in browser or program; `current` marks the asking one. Times are ISO-8601 UTC."""

    id: str
    created_at: str
    last_seen_at: str
    address: str
    agent: str
    current: bool


class Sessions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sessions: list[Session]


class Resolve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cookie's content, to be turned into an identity."""

    credential: Annotated[str, msgspec.Meta(max_length=4096)]
    agent: Annotated[str, msgspec.Meta(max_length=400)] = ""


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A live session and whose it is."""

    user: User
    session: str

    def caller(self, *, connection: str = "", gateway: str = "", address: str = "") -> Caller:
        return Caller(
            id=self.user.id,
            name=self.user.name,
            kind=self.user.kind,
            session=self.session,
            connection=connection,
            gateway=gateway,
            address=address,
        )


class Jwk(msgspec.Struct, frozen=True):
    """A public Ed25519 key (RFC 8037): `{"kty": "OKP", "crv": "Ed25519", "x": "...", "kid": "...", ...}`."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class EndedSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session that ended while access tokens of it may still be alive."""

    session: str
    ended_at: str


class TrustState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway needs to check access tokens by itself: public keys, and the sessions that ended."""

    keys: list[Jwk]
    ended: list[EndedSession]


class SessionsEnded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Told to every gateway: these sessions are over; their sockets are closed and their tokens refused."""

    sessions: list[str]
    reason: str


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Text


SIGN_IN_TIMEOUT_S: Final = 30.0
"""A sign-in may wait for its turn to be hashed: fifty at once take ten seconds on two small cores."""

ANA: Final = Profile("u_4kq7wzc2n5d8", "Ana", "user", "ana", "ana@example.com")
ANAS_TOKEN: Final = AccessToken(ANA, "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1XzRrcTd3emMybjVkOCJ9.c2lnbmF0dXJl", 900)

REGISTER: Final = Endpoint(
    "auth:register",
    Registration,
    SignedIn,
    Access.ANYONE,
    "Create an account and sign in.",
    surface=Surface.INTERNAL,
    private=True,
    timeout_s=SIGN_IN_TIMEOUT_S,
)
LOGIN: Final = Endpoint(
    "auth:login",
    Credentials,
    SignedIn,
    Access.ANYONE,
    "Sign in.",
    surface=Surface.INTERNAL,
    private=True,
    timeout_s=SIGN_IN_TIMEOUT_S,
)
GUEST: Final = Endpoint(
    "auth:guest",
    GuestRequest,
    SignedIn,
    Access.ANYONE,
    "Become a guest.",
    surface=Surface.INTERNAL,
    private=True,
)
LOGOUT: Final = Endpoint(
    "auth:logout",
    Nothing,
    Nothing,
    Access.GUEST,
    "End the caller's session and its sockets.",
    surface=Surface.INTERNAL,
)
LOGOUT_ALL: Final = Endpoint(
    "auth:logout-all",
    Nothing,
    Nothing,
    Access.GUEST,
    "End every session of the caller.",
    surface=Surface.INTERNAL,
)
TOKEN: Final = Endpoint(
    "auth:token",
    Nothing,
    AccessToken,
    Access.GUEST,
    "A new access token for the caller's session.",
    surface=Surface.HTTP,
    private=True,
    example=Example(Nothing(), ANAS_TOKEN),
)
ME: Final = Endpoint(
    "auth:me",
    Nothing,
    Profile,
    Access.GUEST,
    "Who the caller is.",
    reads=True,
    surface=Surface.HTTP,
    example=Example(Nothing(), ANA),
)
SESSIONS: Final = Endpoint(
    "auth:sessions",
    Nothing,
    Sessions,
    Access.GUEST,
    "The caller's sessions.",
    reads=True,
    surface=Surface.HTTP,
    example=Example(
        Nothing(),
        Sessions(
            [
                Session(
                    id="s_9hx3mb6t1v0k",
                    created_at="2026-01-31T12:00:00.000Z",
                    last_seen_at="2026-01-31T12:05:00.000Z",
                    address="203.0.113.7",
                    agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/147.0",
                    current=True,
                )
            ]
        ),
    ),
)
RESOLVE: Final = Endpoint(
    "auth:resolve",
    Resolve,
    Identity,
    Access.ANYONE,
    "Whose cookie this is.",
    surface=Surface.INTERNAL,
    private=True,
    timeout_s=2.0,
)
TRUST: Final = Endpoint(
    "auth:trust",
    Nothing,
    TrustState,
    Access.ANYONE,
    "Public keys, and sessions that ended lately.",
    surface=Surface.INTERNAL,
    timeout_s=2.0,
)
PROMOTE: Final = Endpoint(
    "auth:promote",
    Promotion,
    User,
    Access.ANYONE,
    "Make a user an admin.",
    surface=Surface.INTERNAL,
)

SESSIONS_ENDED: Final = Event("auth:sessions-ended", SessionsEnded, "To gateways: these sessions are over.")
USER_CHANGED: Final = Event("auth:user-changed", User, "To gateways: a user is of another kind from now on.")
KEYS_CHANGED: Final = Event(
    "auth:keys-changed",
    Nothing,
    "To gateways: there is a new key; `trust` has it, and it signs a minute from now.",
)

CONTRACT: Final = Contract(
    service="auth",
    endpoints=(
        REGISTER, LOGIN, GUEST, LOGOUT, LOGOUT_ALL, TOKEN, ME, SESSIONS, RESOLVE, TRUST, PROMOTE,
    ),
)  # fmt: skip
