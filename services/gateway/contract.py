"""What the gateway itself tells: its clients of their session, and the journal of every message."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pulso.contract import Caller, Event, Nothing


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

READY: Final = Event("session:ready", Ready, "Who the connection is, and which gateway holds it.")
RESYNC: Final = Event("session:resync", Nothing, "Messages may have been missed: fetch what is shown again.")
ENDED: Final = Event("session:ended", Ended, "The server closes this connection for good.")


def ready(caller: Caller) -> Ready:
    return Ready(SessionUser(caller.id, caller.name, caller.kind), caller.gateway)
