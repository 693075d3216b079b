"""What presence offers: the people who are here, and news of who comes and goes."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Kind, Nothing, Surface, Topic

MAX_LISTED: Final = 500
"""People in one answer: it stays below half a megabyte, however many there are."""


class ListPeople(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to list: `{}` for everybody, `{"search": "an", "limit": 20}` for those with "an" in their name."""

    search: Annotated[str, msgspec.Meta(max_length=100)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"id": "u_4kq...", "name": "Ana", "kind": "user"}`"""

    id: str
    name: str
    kind: Kind


class PersonHere(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is here, in however many tabs and on however many devices.

    `{"id": "u_4kq...", "name": "Ana", "kind": "user", "since": "2026-03-01T09:30:00.000Z", "connections": 2,
    "gateways": ["gw-1f2e3d4c"]}`. `connections` is 0 for the few seconds in which the person may be reloading.
    """

    id: str
    name: str
    kind: Kind
    since: str
    connections: int
    gateways: list[str]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By name; `total` is how many were meant, of whom at most `limit` are in `users`."""

    users: list[PersonHere]
    total: int


class CameOrWent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"user": {"id": "u_4kq...", "name": "Ana", "kind": "user"}}`"""

    user: Person


class Changed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The people whose connections are others now, as they stand; `total` is how many are here."""

    users: list[PersonHere]
    total: int


ANA: Final = Person("u_4kq7wzc2n5d8", "Ana", "user")
ANA_HERE: Final = PersonHere(ANA.id, ANA.name, ANA.kind, "2026-01-31T12:00:00.000Z", 2, ["gw-1f2e3d4c"])

LIST: Final = Endpoint(
    "presence:list",
    ListPeople,
    People,
    Access.GUEST,
    "Who is here now, each once, by name.",
    reads=True,
    example=Example(ListPeople(search="an", limit=20), People([ANA_HERE], 1)),
)
WATCH: Final = Endpoint(
    "presence:watch",
    ListPeople,
    People,
    Access.GUEST,
    "Who is here now, and from now on who comes and goes.",
    surface=Surface.SOCKET,
    example=Example(ListPeople(), People([ANA_HERE], 1)),
)
UNWATCH: Final = Endpoint(
    "presence:unwatch",
    Nothing,
    Nothing,
    Access.GUEST,
    "Stop following who comes and goes.",
    surface=Surface.SOCKET,
)

JOINED: Final = Event(
    "presence:joined", CameOrWent, "Somebody is here: with the first connection.", example=CameOrWent(ANA)
)
LEFT: Final = Event(
    "presence:left",
    CameOrWent,
    "Somebody has gone: a while after the last connection closed.",
    example=CameOrWent(ANA),
)
CHANGED: Final = Event(
    "presence:changed",
    Changed,
    f"Connections opened or closed: once a second at most, {MAX_LISTED} people each.",
    example=Changed([ANA_HERE], 1),
)
PEOPLE: Final = Topic("presence.people", (JOINED, LEFT, CHANGED))

CONTRACT: Final = Contract(service="presence", endpoints=(LIST, WATCH, UNWATCH), topics=(PEOPLE,))
