"""A gateway's side of the feed of connections: it tells of each that opens or closes, and that it lives."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from pulso.bus import Bus
from pulso.connections import (
    ANNOUNCED,
    MAX_LISTED,
    RENEW_S,
    Announcement,
    OpenConnection,
    RollCall,
    digest_of,
)
from pulso.message import Tell

_encode: Final = msgspec.msgpack.Encoder().encode


class Announcer:
    """Nothing here waits: what Redis cannot take now is found missing by the digest of what is said later."""

    def __init__(self, bus: Bus, *, gateway: str) -> None:
        self._bus = bus
        self._gateway = gateway
        self._held: dict[str, OpenConnection] = {}
        self._digest = 0
        self._has_left = False

    async def run(self) -> None:
        """Say every `RENEW_S` seconds that this gateway is there, until cancelled."""
        while True:
            self.renew()
            await asyncio.sleep(RENEW_S)

    def opened(self, connection: OpenConnection) -> None:
        self._held[connection.id] = connection
        self._digest ^= digest_of(connection)
        # Those of one turn of the loop travel as one message: the bus sees to it.
        self._announce(opened=(connection,))

    def closed(self, id_: str) -> None:
        """Does nothing for a connection that was never opened, or is closed already."""
        connection = self._held.pop(id_, None)
        if connection is not None:
            self._digest ^= digest_of(connection)
            self._announce(closed=(id_,))

    def renew(self) -> None:
        self._announce()

    def heed(self, payload: bytes) -> None:
        """A roll call: list everything if this gateway is meant."""
        asked = msgspec.msgpack.decode(payload, type=RollCall)
        if asked.gateway not in ("", self._gateway):
            return
        # All parts in this one turn: nothing can come between them.
        held = list(self._held.values())
        parts = max(1, -(-len(held) // MAX_LISTED))
        for part in range(parts):
            listed = tuple(held[part * MAX_LISTED : (part + 1) * MAX_LISTED])
            self._announce(opened=listed, part=part + 1, parts=parts)

    def leave(self) -> None:
        """The last word, once every connection is closed: nobody needs to wait for this gateway's lease to end."""
        self._announce(leaves=True)
        self._has_left = True

    def _announce(
        self,
        *,
        opened: tuple[OpenConnection, ...] = (),
        closed: tuple[str, ...] = (),
        part: int = 0,
        parts: int = 0,
        leaves: bool = False,
    ) -> None:
        if self._has_left:
            return
        said = Announcement(
            self._gateway, len(self._held), self._digest, opened, closed, part=part, parts=parts, leaves=leaves
        )
        self._bus.send(self._bus.channels.connections, Tell(ANNOUNCED, _encode(said)))
