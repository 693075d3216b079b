"""How a service reaches connections, through the gateways that hold them.

What is told is sent at most once, in order per topic. `join` returns once the gateway follows the topic: join
first, then take the snapshot, then reply, and nothing falls between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from pulso.bus import Bus
from pulso.contract import Caller, Event
from pulso.message import Envelope, Recap, Regroup, Tell, TellConnection, TellOthers

T = TypeVar("T")

USER_TOPIC: Final = "user."
"""Every connection is a member of its user's own topic: the gateway sees to it."""


@dataclass(frozen=True, slots=True)
class Telling(Generic[T]):
    """Something that a topic is told surely; of one `id` no connection hears twice."""

    topic: str
    event: Event[T]
    id: str
    payload: T
    skip_user: str = ""


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

    def to_others(self, event: Event[T], told: Iterable[tuple[Caller, T]]) -> None:
        """Tell each caller's user, on all connections but the one that asked; cheap where there is no other.

        Where one of the payloads cannot be encoded it raises, and of the users without another nobody is told.
        """
        encode = self._encoder.encode
        by_gateway: dict[str, TellOthers] = {}
        for caller, payload in told:
            if caller.is_alone:
                columns = by_gateway.get(caller.gateway)
                if columns is None:
                    columns = by_gateway[caller.gateway] = TellOthers(event.name, [], [], [])
                columns.users.append(caller.id)
                columns.connections.append(caller.connection)
                columns.payloads.append(encode(payload))
            else:
                self.to_user(caller.id, event, payload, skip=caller.connection)
        for gateway, columns in by_gateway.items():
            self._bus.send(self._bus.channels.gateway(gateway), columns)

    def to_topic(self, topic: str, event: Event[T], payload: T, *, skip: str = "", skip_user: str = "") -> None:
        """Tell all who follow the topic, but the connection to `skip` and those of `skip_user`."""
        told = Tell(event.name, self._encoder.encode(payload), skip, skip_user)
        self._bus.send(self._bus.channels.topic(topic), told)

    async def surely(self, tellings: Iterable[Telling[Any]]) -> bool:
        """Tell topics several things; True once Redis has passed all of it on.

        False where it may not have: then it can be told again, after a `recap`, and no connection hears twice what
        has one id.
        """
        batches: dict[str, list[Envelope]] = {}
        for one in tellings:
            payload = self._encoder.encode(one.payload)
            tell = Tell(one.event.name, payload, skip_user=one.skip_user, id=one.id)
            batches.setdefault(self._bus.channels.topic(one.topic), []).append(tell)
        return await self._bus.publish(batches)

    async def recap(self, tellings: Iterable[Telling[Any]]) -> bool:
        """These were told in this order, as far as they were told, and come again; the answer is as above.

        No connection hears one of them after a later one of them: who has missed it was told of a gap.
        """
        ids: dict[str, list[str]] = {}
        for one in tellings:
            ids.setdefault(self._bus.channels.topic(one.topic), []).append(one.id)
        return await self._bus.publish({channel: [Recap(of_one)] for channel, of_one in ids.items()})

    async def to_gateways(self, event: Event[T], payload: T) -> int:
        """Tell the gateways who is who; returns how many were reached, once Redis has passed it on.

        On a channel that is auth's alone: Redis refuses it to every other service.
        """
        return await self._bus.announce(self._bus.channels.identity, event.name, self._encoder.encode(payload))

    async def join(self, caller: Caller, topic: str) -> None:
        """The asking connection follows the topic from now on. Raises `ServiceError`."""
        await self._bus.set_membership(caller.gateway, caller.connection, topic, joins=True)

    def move_user(self, user: str, *, among: str, to: str) -> None:
        """All connections of a user leave every topic that begins with `among`, but `to`, and follow that one.

        In order with what the user, and those topics, are told before and after. It reaches the connections that
        are there now: a later one joins by itself.
        """
        self._bus.send(self._bus.channels.topic(USER_TOPIC + user), Regroup(among, to, joins=True))

    def withdraw_user(self, user: str, *, among: str, but: str = "") -> None:
        """All connections of a user leave every topic that begins with `among`, but that one; as `move_user`."""
        self._bus.send(self._bus.channels.topic(USER_TOPIC + user), Regroup(among, but))

    async def leave(self, caller: Caller, topic: str) -> None:
        await self._bus.set_membership(caller.gateway, caller.connection, topic, joins=False)
