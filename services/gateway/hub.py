"""Who is connected here and follows what; and what services have to say to them.

A topic's channel is subscribed when the first connection here joins it and given up a while after the last one
leaves, so a gateway without members never sees its traffic. Delivery is at most once, in order per topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
import structlog

from pulso.announcer import Announcer
from pulso.bus import Bus
from pulso.connections import opened_by
from pulso.contract import Kind
from pulso.errors import ServiceError
from pulso.message import Envelope, Hello, Membership, Recap, Regroup, Reply, Tell, TellConnection, TellOthers
from pulso.push import USER_TOPIC
from pulso.tasks import Tasks
from services.gateway import contract, metrics
from services.gateway.company import Company
from services.gateway.connection import Connection, Outlet, event_frame
from services.gateway.journal import Journal

LINGER_S: Final = 5.0
"""How long a topic without members stays subscribed: reloads and flapping sockets cost Redis nothing."""
MAX_IDS: Final = 4096
"""Ids of events remembered for each topic, to tell a repeated one."""

_DONE: Final = b"{}"

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Stream:
    """One followed topic."""

    confirmed: asyncio.Task[None]
    members: set[Connection] = field(default_factory=set)
    ids: dict[str, None] = field(default_factory=dict)
    _everybody: tuple[list[Connection], list[Outlet]] | None = None

    def add(self, member: Connection) -> None:
        self.members.add(member)
        self._everybody = None

    def discard(self, member: Connection) -> None:
        self.members.discard(member)
        self._everybody = None

    def everybody(self) -> tuple[list[Connection], list[Outlet]]:
        """All members, and where frames to them go. Asking each of them costs far more than remembering it."""
        if self._everybody is None:
            members = list(self.members)
            self._everybody = (members, [member.outlet for member in members])
        return self._everybody

    def is_repeated(self, id_: str) -> bool:
        """Whether an event of this id was here before; from now on it was."""
        if id_ in self.ids:
            return True
        self.ids[id_] = None
        if len(self.ids) > MAX_IDS:
            del self.ids[next(iter(self.ids))]
        return False

    def recap(self, ids: Sequence[str]) -> None:
        """These may be told again, in this order: those before the last one that was here are past."""
        known = [index for index, id_ in enumerate(ids) if id_ in self.ids]
        for id_ in ids[: known[-1] if known else 0]:
            self.is_repeated(id_)


class Hub:
    def __init__(
        self, bus: Bus, journal: Journal, announcer: Announcer, tasks: Tasks, *, now: Callable[[], datetime]
    ) -> None:
        self._bus = bus
        self._journal = journal
        self._announcer = announcer
        self._tasks = tasks
        self._now = now
        self._streams: dict[str, _Stream] = {}
        self.connections: dict[str, Connection] = {}
        self.company = Company(bus)

    async def add(self, connection: Connection, topics: Iterable[str]) -> None:
        """A new connection. It follows its user's own topic and `topics` once this returns."""
        self.connections[connection.id] = connection
        self._announcer.opened(opened_by(connection.caller, int(self._now().timestamp() * 1000)))
        metrics.CONNECTIONS.set(len(self.connections))
        await self.join(connection, USER_TOPIC + connection.caller.id)
        if connection.is_open:
            self.company.add(connection)
        for topic in topics:
            await self.join(connection, topic)

    def join_all(self, topics: Iterable[str]) -> None:
        """Every connection follows these topics from soon on: those of a service that is new here."""
        self._tasks.spawn(self._join_all(tuple(topics)), "join all")

    def remove(self, connection: Connection) -> None:
        connection.is_open = False
        self.connections.pop(connection.id, None)
        self._announcer.closed(connection.id)
        metrics.CONNECTIONS.set(len(self.connections))
        self.company.remove(connection)
        for topic in list(connection.topics):
            self.leave(connection, topic)

    async def join(self, connection: Connection, topic: str) -> None:
        """Returns once the topic's channel is subscribed: nothing told from then on is missed."""
        if connection.is_open:
            await asyncio.shield(self._follow(connection, topic))

    def _follow(self, connection: Connection, topic: str) -> asyncio.Task[None]:
        """The connection is a member at once; the task that is returned confirms the subscription."""
        stream = self._streams.get(topic)
        if stream is None:
            channel = self._bus.channels.topic(topic)
            listening = self._bus.listen(channel, lambda batch: self._fan_out(topic, batch))
            stream = _Stream(self._tasks.spawn(listening, "subscribe"))
            self._streams[topic] = stream
        stream.add(connection)
        connection.topics.add(topic)
        return stream.confirmed

    def leave(self, connection: Connection, topic: str) -> None:
        connection.topics.discard(topic)
        stream = self._streams.get(topic)
        if stream is not None:
            stream.discard(connection)
            if not stream.members:
                asyncio.get_running_loop().call_later(LINGER_S, self._give_up, topic, stream)

    def accept(self, batch: list[Envelope]) -> None:
        """What comes to this gateway's own inbox."""
        for envelope in self._bus.take_replies(batch):
            if isinstance(envelope, TellConnection):
                connection = self.connections.get(envelope.connection)
                if connection is not None:
                    self.tell((connection,), envelope.event, envelope.payload)
            elif isinstance(envelope, TellOthers):
                self._tell_others(envelope)
            elif isinstance(envelope, Membership):
                self._change_membership(envelope)
            else:
                log.warning("not for a gateway's inbox", envelope=type(envelope).__name__)

    def tell(self, to: Iterable[Connection], event: str, payload: bytes) -> None:
        """Send one event to these connections; it is encoded once."""
        recipients = [connection for connection in to if connection.is_open]
        self._send(recipients, [connection.outlet for connection in recipients], event, payload)

    def _send(
        self, recipients: Sequence[Connection], outlets: Sequence[Outlet], event: str, payload: bytes
    ) -> None:
        if outlets:
            outlets[0].broadcast(event_frame(event, payload), outlets)
        metrics.SENT.counts[event,] += len(outlets)
        self._journal.went_out(event, payload, recipients)

    def _tell_others(self, told: TellOthers) -> None:
        alone = self.company.alone
        for user, connection, payload in zip(told.users, told.connections, told.payloads, strict=True):
            if user not in alone:
                channel = self._bus.channels.topic(USER_TOPIC + user)
                self._bus.send(channel, Tell(told.event, payload, connection))

    def tell_all(self, event: str, payload: bytes) -> None:
        self.tell(list(self.connections.values()), event, payload)

    def change_kind(self, user: str, kind: Kind) -> None:
        """Whoever is this user is of this kind from the next event on."""
        for connection in self.connections.values():
            if connection.caller.id == user:
                connection.become(msgspec.structs.replace(connection.caller, kind=kind))

    def end_sessions(self, sessions: frozenset[str], reason: str) -> None:
        """Close every socket of these sessions; each is told not to come back."""
        ended = [c for c in self.connections.values() if c.caller.session in sessions]
        if ended:
            self.tell(ended, contract.ENDED.name, msgspec.json.encode(contract.Ended(reason)))
        for connection in ended:
            connection.close()

    def _fan_out(self, topic: str, batch: list[Envelope]) -> None:
        stream = self._streams.get(topic)
        if stream is None:
            return
        for envelope in batch:
            if isinstance(envelope, Tell):
                if envelope.id and stream.is_repeated(envelope.id):
                    continue
                if envelope.skip or envelope.skip_user:
                    self.tell(_addressed(stream.members, envelope), envelope.event, envelope.payload)
                else:
                    self._send(*stream.everybody(), envelope.event, envelope.payload)
            elif isinstance(envelope, Recap):
                stream.recap(envelope.ids)
            elif isinstance(envelope, Hello):
                self.company.heard(topic.removeprefix(USER_TOPIC), envelope)
            elif isinstance(envelope, Regroup):
                self._regroup(list(stream.members), envelope)

    def _regroup(self, members: Iterable[Connection], change: Regroup) -> None:
        """At once, so that whatever comes next finds everybody where they belong now."""
        for connection in members:
            for topic in [t for t in connection.topics if t.startswith(change.among) and t != change.topic]:
                self.leave(connection, topic)
            if change.joins and connection.is_open:
                self._follow(connection, change.topic)

    async def _join_all(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            for connection in list(self.connections.values()):
                if topic not in connection.topics:
                    await self.join(connection, topic)

    def _change_membership(self, change: Membership) -> None:
        connection = self.connections.get(change.connection)
        if connection is None:
            gone = ServiceError("not_found", "This connection is gone.")
            self._bus.send(change.reply_to, Reply(change.id, gone.encode(), gone.code))
        elif change.joins:
            self._tasks.spawn(self._join_and_reply(connection, change), "join")
        else:
            self.leave(connection, change.topic)
            self._bus.send(change.reply_to, Reply(change.id, _DONE))

    async def _join_and_reply(self, connection: Connection, change: Membership) -> None:
        await self.join(connection, change.topic)
        self._bus.send(change.reply_to, Reply(change.id, _DONE))

    def _give_up(self, topic: str, stream: _Stream) -> None:
        # It may have got members again, or have been given up and followed anew, since the last one left.
        if not stream.members and self._streams.get(topic) is stream:
            del self._streams[topic]
            self._bus.unlisten(self._bus.channels.topic(topic))


def _addressed(members: Iterable[Connection], told: Tell) -> list[Connection]:
    """All members but those who are left out."""
    return [c for c in members if c.id != told.skip and c.caller.id != told.skip_user]
