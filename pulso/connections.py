"""What gateways say about the connections that they hold: the messages of a feed that any service may follow.

Every gateway publishes on one channel what it opens and closes, and every `RENEW_S` seconds that it lives. Each
announcement carries the number and the digest of all that the gateway holds, so that whoever has missed something
finds out with the next one, and calls the roll: the gateway then lists everything, in parts.

`pulso.announcer` is the gateway's side, `pulso.attendance` the side of a service.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from pulso.contract import Caller, Kind

RENEW_S: Final = 2.0
LEASE_S: Final = 6.0
"""A gateway that has not been heard for this long is gone, and what it held with it."""

MAX_LISTED: Final = 500
"""Connections in one part of a list: some 150 KB at the most, however many there are."""

ANNOUNCED: Final = "pulso:connections"
"""The event on the feed's channel; its payload is an `Announcement`."""
ROLL_CALL: Final = "pulso:roll-call"
"""The event on the control channel; its payload is a `RollCall`."""


class OpenConnection(msgspec.Struct, frozen=True, array_like=True):
    """A client's connection while it is open. `since_ms` is when it was opened, in ms since 1970."""

    id: str
    user: str
    name: str
    kind: Kind
    gateway: str
    address: str
    since_ms: int


class Announcement(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway opened and closed, and by how many connections and with which digest it stands then.

    With `parts` it is one of so many parts of the list of all that it holds, the first with `part` 1. They follow
    one another without anything between. `leaves` is its last one: it holds nothing any more.
    """

    gateway: str
    count: int
    digest: int
    opened: tuple[OpenConnection, ...] = ()
    closed: tuple[str, ...] = ()
    part: int = 0
    parts: int = 0
    leaves: bool = False


class RollCall(msgspec.Struct, frozen=True, array_like=True):
    """Asks a gateway, or with no name every gateway, to list what it holds."""

    gateway: str = ""


def opened_by(caller: Caller, since_ms: int) -> OpenConnection:
    return OpenConnection(
        caller.connection, caller.id, caller.name, caller.kind, caller.gateway, caller.address, since_ms
    )


def digest_of(connection: OpenConnection) -> int:
    """64 bits. The digest of many is the XOR of theirs, so that it costs the same however many are held."""
    text = f"{connection.id} {connection.user}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
