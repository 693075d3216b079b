"""How a service reaches connections, through the gateways that hold them.

What is told is sent at most once, in order per topic. `join` returns once the gateway follows the topic: join
first, then take the snapshot, then reply, and nothing falls between.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from pulso.bus import Bus
from pulso.contract import Caller, Event
from pulso.message import Tell, TellConnection, TellOthers

T = TypeVar("T")

USER_TOPIC: Final = "user."
"""Every connection is a member of its user's own topic: the gateway sees to it."""


class Push:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._encoder = msgspec.json.Encoder()

    def to_connection(self, caller: Caller, event: Event[T], payload: T) -> None:
        """Tell the very connection that asked; nobody where the call came over HTTP."""
        if caller.connection:
            self._bus.send(
                self._bus.channels.gateway(caller.gateway),
                TellConnection(caller.connection, event.name, self._encoder.encode(payload)),
            )

    def to_user(self, user: str, event: Event[T], payload: T, *, skip: str = "") -> None:
        """Tell all connections of a user, wherever they are, but the one to `skip`."""
        self.to_topic(USER_TOPIC + user, event, payload, skip=skip)

    def to_others(self, caller: Caller, event: Event[T], payload: T) -> None:
        """Tell all connections of the caller's user but the one that asked; cheap where there is no other."""
        if caller.is_alone:
            self._bus.send(
                self._bus.channels.gateway(caller.gateway),
                TellOthers(caller.id, caller.connection, event.name, self._encoder.encode(payload)),
            )
        else:
            self.to_user(caller.id, event, payload, skip=caller.connection)

    def to_topic(self, topic: str, event: Event[T], payload: T, *, skip: str = "") -> None:
        self._bus.send(self._bus.channels.topic(topic), Tell(event.name, self._encoder.encode(payload), skip))

    async def to_gateways(self, event: Event[T], payload: T) -> int:
        """Tell the gateways themselves; returns how many were reached, once Redis has passed it on."""
        return await self._bus.announce(self._bus.channels.control, event.name, self._encoder.encode(payload))

    async def join(self, caller: Caller, topic: str) -> None:
        """The asking connection follows the topic from now on. Raises `ServiceError`."""
        await self._bus.set_membership(caller.gateway, caller.connection, topic, joins=True)

    async def leave(self, caller: Caller, topic: str) -> None:
        await self._bus.set_membership(caller.gateway, caller.connection, topic, joins=False)
