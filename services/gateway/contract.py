"""What the gateway itself offers: routes of the account, events of a session; and what it tells the journal."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pulso.contract import Access, Caller, Contract, Endpoint, Event, Example, Nothing, Surface
from services.auth import contract as auth


class SessionUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    name: str
    kind: str


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"user": {"id": "u_4kq...", "name": "Ana", "kind": "user"}, "gateway": "gw-1f2e3d4c"}`"""

    user: SessionUser
    gateway: str


class Ended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"reason": "logout"}`: the client must not come back with this session."""

    reason: str


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One message between a client and a gateway, for the journal.

    `at_ms` counts from 1970 in UTC. `outcome` is `ok` or the code of the error that was answered. `recipients` is
    how many it went to; `connection`, `user` and `name` are empty where they are many. `payload` is what was sent:
    JSON unless it was refused; empty where it is private, secret or too large. `size` is in bytes, as sent.
    """

    at_ms: int
    connection: str
    user: str
    name: str
    direction: Literal["in", "out"]
    event: str
    outcome: str
    recipients: int
    payload: bytes
    size: int


JOURNAL_STREAM: Final = "journal"
"""The Redis stream `<prefix>:journal`. An entry is one batch of a gateway's:

`gateway`, `number` (its batches are counted from 1), `previous` (the number of the batch that has to be committed
before this one, 0 for none) and `batch`, a msgpack array of `Record`s. A gateway keeps a batch, and sends it again
where Redis lost it, until the hash `<prefix>:journal:committed` has that number, or a later one, under its name.
"""
JOURNAL_COMMITTED: Final = "journal:committed"


class KeySet(msgspec.Struct, frozen=True):
    """RFC 7517: the public keys that access tokens are signed with. `{"keys": [{"kty": "OKP", ...}]}`"""

    keys: list[auth.Jwk]


READY: Final = Event(
    "session:ready",
    Ready,
    "Who the connection is, and which gateway holds it.",
    example=Ready(SessionUser("u_4kq7wzc2n5d8", "Ana", "user"), "gw-1f2e3d4c"),
    on_connect=True,
)
RESYNC: Final = Event("session:resync", Nothing, "Messages may have been missed: fetch what is shown again.")
ENDED: Final = Event(
    "session:ended", Ended, "The server closes this connection for good.", example=Ended("logout")
)


REGISTER: Final = Endpoint(
    auth.REGISTER.name,
    auth.Registration,
    auth.AccessToken,
    auth.REGISTER.access,
    "Create an account and sign in: a session cookie, and an access token for programs.",
    surface=Surface.HTTP,
    private=True,
    example=Example(
        auth.Registration("Ana", "ana", "ana@example.com", "correct horse battery staple"), auth.ANAS_TOKEN
    ),
)
LOGIN: Final = Endpoint(
    auth.LOGIN.name,
    auth.Credentials,
    auth.AccessToken,
    auth.LOGIN.access,
    "Sign in: a session cookie, and an access token for programs.",
    surface=Surface.HTTP,
    private=True,
    example=Example(auth.Credentials("ana", "correct horse battery staple"), auth.ANAS_TOKEN),
)
GUEST: Final = Endpoint(
    auth.GUEST.name,
    auth.GuestRequest,
    auth.AccessToken,
    auth.GUEST.access,
    "Become a guest: a cookie, and an access token for programs.",
    surface=Surface.HTTP,
    private=True,
    example=Example(
        auth.GuestRequest("Rui"),
        auth.AccessToken(auth.Profile("g_7wq2zk5n9c4x", "Rui", "guest"), auth.ANAS_TOKEN.access_token, 900),
    ),
)
LOGOUT: Final = Endpoint(
    auth.LOGOUT.name,
    Nothing,
    Nothing,
    Access.ANYONE,
    "End the session and its sockets, and clear the cookie.",
    surface=Surface.HTTP,
)
LOGOUT_ALL: Final = Endpoint(
    auth.LOGOUT_ALL.name,
    Nothing,
    Nothing,
    Access.ANYONE,
    "End every session of the caller, and clear the cookie.",
    surface=Surface.HTTP,
)

ACCOUNT: Final = Contract("auth", (REGISTER, LOGIN, GUEST, LOGOUT, LOGOUT_ALL))
SESSION: Final = Contract("session", (), events=(READY, RESYNC, ENDED))


def ready(caller: Caller) -> Ready:
    return Ready(SessionUser(caller.id, caller.name, caller.kind), caller.gateway)
