"""What each gateway holds, as far as it has said: pure bookkeeping over the feed of connections.

A gateway is believed for `LEASE_S` seconds after it was last heard. Where the number or the digest of what is
known of it differs from what it says of itself, it is asked to list everything; what the list lacks is closed,
what it has besides is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from pulso.connections import LEASE_S, RENEW_S, Announcement, OpenConnection, digest_of

ASK_AGAIN_S: Final = 1.0


class Observer(Protocol):
    """Who is told of changes; the times are those of the follower's monotonic clock, in seconds."""

    def opened(self, connection: OpenConnection) -> None: ...

    def closed(self, connection: OpenConnection, at: float) -> None:
        """`at` is when it closed; for one that was lost with its gateway, the latest time that this can be."""


@dataclass(slots=True)
class _Gateway:
    heard_at: float
    held: dict[str, OpenConnection] = field(default_factory=dict)
    digest: int = 0
    asked_at: float = float("-inf")
    parts: list[OpenConnection] = field(default_factory=list)
    next_part: int = 1


class Holdings:
    """`ask` is called with the name of a gateway that is to list everything."""

    def __init__(self, observer: Observer, ask: Callable[[str], None]) -> None:
        self._observer = observer
        self._ask = ask
        self._gateways: dict[str, _Gateway] = {}
        self.listed: set[str] = set()
        """The gateways that have listed everything since this was last cleared."""

    def take(self, said: Announcement, now: float) -> None:
        """Announcements of one gateway are taken in the order in which it made them; some may be missing."""
        gateway = self._gateways.get(said.gateway)
        if gateway is None:
            gateway = self._gateways[said.gateway] = _Gateway(now)
        gateway.heard_at = now
        if said.leaves:
            self._drop(said.gateway, now)
            return
        if said.parts:
            if not self._take_part(gateway, said, now):
                return
        else:
            gateway.next_part = 1
            for connection in said.opened:
                self._open(gateway, connection)
            for id_ in said.closed:
                self._close(gateway, id_, now)
        is_equal = len(gateway.held) == said.count and gateway.digest == said.digest
        if not is_equal and now - gateway.asked_at >= ASK_AGAIN_S:
            gateway.asked_at = now
            self._ask(said.gateway)

    def expire(self, now: float) -> None:
        """Give up the gateways that were not heard for too long."""
        for name, gateway in list(self._gateways.items()):
            if now - gateway.heard_at >= LEASE_S:
                # Alive, it would have been heard once more by then.
                self._drop(name, gateway.heard_at + RENEW_S)

    def hold_on(self, now: float) -> None:
        """Nobody could be heard until now, for a reason that says nothing about the gateways."""
        for gateway in self._gateways.values():
            gateway.heard_at = now

    def _take_part(self, gateway: _Gateway, said: Announcement, now: float) -> bool:
        """Whether the list is complete, and done with."""
        if said.part == 1:
            gateway.parts, gateway.next_part = [], 1
        if said.part != gateway.next_part:
            return False  # one is missing: the digest of what comes next will tell
        gateway.parts += said.opened
        gateway.next_part += 1
        if said.part < said.parts:
            return False
        listed, gateway.parts, gateway.next_part = gateway.parts, [], 1
        ids = {connection.id for connection in listed}
        for id_ in [id_ for id_ in gateway.held if id_ not in ids]:
            self._close(gateway, id_, now)
        for connection in listed:
            self._open(gateway, connection)
        self.listed.add(said.gateway)
        return True

    def _open(self, gateway: _Gateway, connection: OpenConnection) -> None:
        if connection.id not in gateway.held:
            gateway.held[connection.id] = connection
            gateway.digest ^= digest_of(connection)
            self._observer.opened(connection)

    def _close(self, gateway: _Gateway, id_: str, at: float) -> None:
        connection = gateway.held.pop(id_, None)
        if connection is not None:
            gateway.digest ^= digest_of(connection)
            self._observer.closed(connection, at)

    def _drop(self, name: str, at: float) -> None:
        gateway = self._gateways.pop(name)
        for connection in gateway.held.values():
            self._observer.closed(connection, at)
