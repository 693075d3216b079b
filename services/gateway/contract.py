"""What the gateway itself tells its clients: the events of a session."""

from __future__ import annotations

from typing import Final

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


READY: Final = Event("session:ready", Ready, "Who the connection is, and which gateway holds it.")
RESYNC: Final = Event("session:resync", Nothing, "Messages may have been missed: fetch what is shown again.")
ENDED: Final = Event("session:ended", Ended, "The server closes this connection for good.")


def ready(caller: Caller) -> Ready:
    return Ready(SessionUser(caller.id, caller.name, caller.kind), caller.gateway)
