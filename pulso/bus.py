"""Calls, replies and events between processes, over Redis pub/sub.

- Everything sent in one turn of the event loop to one channel travels as one message (`pulso.outgoing`).
- Delivery is at most once, in order per channel; among clients' calls (`Bus.ask`) those of one client keep their
  order, and those to one endpoint. A call to a channel that nobody listens to fails as
  `unavailable` at once; one that is not answered by its deadline, as `timeout`; one that was under way when the
  link was lost, or when all who listened went away, as `unavailable`, and may have been carried out. Whoever needs
  more retries with an id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from pulso import message
from pulso.awaited import TICK_S, Awaited, OnReply, Waiting
from pulso.channels import Channels
from pulso.confirmed import Confirmed
from pulso.contract import Caller, Endpoint
from pulso.errors import Code, ErrorBody, ServiceError
from pulso.message import Call, Envelope, Membership, Replies, Reply, Tell
from pulso.outgoing import Outgoing
from pulso.redis_link import OnCount, Publication, RedisLink
from pulso.tracing import ORIGIN
from pulso.vigil import LOOK_EVERY_S

Req = TypeVar("Req")
Res = TypeVar("Res")

MEMBERSHIP_TIMEOUT_S: Final = 5.0
PUBLISH_TIMEOUT_S: Final = 2.0

OnBatch = Callable[[list[Envelope]], None]

_LOST: Final = ServiceError("unavailable", "The connection was interrupted; it may have been done. Try again.")


class Bus:
    """One party on the bus. `inbox` is the channel that replies to it are sent to."""

    def __init__(self, link: RedisLink, *, channels: Channels, inbox: str) -> None:
        self.link = link
        self.channels = channels
        self.inbox = inbox
        # Kept, because asking for it is a system call (CPython 3.11 compares process ids): made with every event
        # it was a fifth of the cost.
        self._loop = asyncio.get_running_loop()
        self._awaited = Awaited(self._loop)
        self._confirmed = Confirmed(link)
        self._outgoing = Outgoing(link, self._awaited, inbox=inbox, first=channels.gateways)
        # Its own methods and none that pass on: they are called with every event.
        self.send = self._outgoing.send
        self.ask = self._outgoing.ask
        self.answer = self._outgoing.answer
        link.on_lost(lambda: self._awaited.fail_all(_LOST))

    async def run(self) -> None:
        """Keep deadlines, and look after calls in hand, until cancelled."""
        look_at = self._loop.time() + LOOK_EVERY_S
        while True:
            await asyncio.sleep(TICK_S)
            self._awaited.expire()
            if self._loop.time() >= look_at:
                self._outgoing.vigil.look()
                look_at = self._loop.time() + LOOK_EVERY_S

    async def listen(self, channel: str, on_batch: OnBatch) -> None:
        """Returns once the subscription is confirmed. `on_batch` is called in the reader: it must not block."""

        def decoded(data: bytes) -> None:
            on_batch(message.decode(data))

        await self.link.subscribe(channel, decoded)

    def unlisten(self, channel: str) -> None:
        self.link.unsubscribe(channel)

    async def announce(self, channel: str, event: str, payload: bytes) -> int:
        """Publish at once; returns how many received it once Redis has taken it, 0 where it is away."""
        (data,) = message.encode([Tell(event, payload)])
        return await self._published(channel, data)

    async def publish(self, batches: Mapping[str, list[Envelope]]) -> bool:
        """Publish at once, each batch to its channel; True once Redis has passed all of it on.

        False where it is away or was lost meanwhile: then all, some or nothing of it was published.
        """
        self._outgoing.flush()  # what this turn has sent before goes before
        return await self._confirmed.publish(
            (publication.channel, publication.message)
            for channel, batch in batches.items()
            for publication in self._outgoing.publications(channel, batch)
        )

    def hail(self, channels: Iterable[tuple[str, OnCount]], envelope: Envelope) -> None:
        """Publish at once to each of these, in one write; each is told how many received it, 0 without Redis."""
        (data,) = message.encode([envelope])
        self._outgoing.at_once([Publication(name.encode(), data, on_count) for name, on_count in channels])

    async def settle(self) -> None:
        """Returns once Redis has taken all that was sent before, or is away: then this party may leave."""
        (nothing,) = message.encode([])
        await self._published(self.inbox, nothing)

    def request(
        self,
        channel: str,
        endpoint: str,
        payload: bytes,
        caller: Caller,
        *,
        timeout_s: float,
        on_reply: OnReply,
        request_id: str = "",
        trace: str = "",
    ) -> None:
        """Call, and have `on_reply` called exactly once, with the answer or with what went wrong."""
        id_ = self._expect(on_reply, timeout_s)
        self.send(channel, Call(id_, endpoint, caller, payload, self.inbox, timeout_s, request_id, trace))

    async def call(
        self,
        channel: str,
        endpoint: Endpoint[Req, Res],
        request: Req,
        caller: Caller,
        *,
        request_id: str = "",
    ) -> Res:
        """Call and decode the result; on behalf of the request under way, if any. Raises `ServiceError`."""
        origin = ORIGIN.get()
        reply = await self._answered(
            lambda on_reply: self.request(
                channel,
                endpoint.name,
                msgspec.json.encode(request),
                caller,
                timeout_s=endpoint.timeout_s,
                on_reply=on_reply,
                request_id=request_id or origin.request,
                trace=origin.trace,
            )
        )
        return msgspec.json.decode(result_of(reply), type=endpoint.result)

    async def set_membership(self, gateway: str, connection: str, topic: str, *, joins: bool) -> None:
        """Have a connection join or leave a topic; returns once it has. Raises `ServiceError`."""

        def send(on_reply: OnReply) -> None:
            id_ = self._expect(on_reply, MEMBERSHIP_TIMEOUT_S)
            self.send(self.channels.gateway(gateway), Membership(id_, connection, topic, joins, self.inbox))

        result_of(await self._answered(send))

    def take_replies(self, batch: list[Envelope]) -> list[Envelope]:
        """Hand the replies in a batch to those who wait for them; returns the rest."""
        rest: list[Envelope] = []
        for envelope in batch:
            if type(envelope) is Replies:
                self._awaited.take(envelope)
            elif type(envelope) is Reply:
                self._awaited.take_one(envelope.id, envelope.payload, envelope.code)
            else:
                rest.append(envelope)
        return rest

    async def _published(self, channel: str, data: bytes) -> int:
        counted: asyncio.Future[int] = self._loop.create_future()

        def on_count(count: int) -> None:
            if not counted.done():
                counted.set_result(count)

        self._outgoing.at_once([Publication(channel.encode(), data, on_count)])
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                return await counted
        except TimeoutError:
            return 0

    async def _answered(self, send: Callable[[OnReply], None]) -> Reply:
        answered: asyncio.Future[Reply] = self._loop.create_future()

        def on_reply(reply: Reply) -> None:
            if not answered.done():
                answered.set_result(reply)

        send(on_reply)
        return await answered

    def _expect(self, on_reply: OnReply, timeout_s: float) -> int:
        awaited = self._awaited
        id_ = next(awaited.ids)
        awaited.askers[id_] = Waiting(id_, on_reply)
        awaited.until([id_], timeout_s)
        return id_


def result_of(reply: Reply) -> bytes:
    """The JSON of the result; raises the `ServiceError` that came instead."""
    if reply.code is None:
        return reply.payload
    raise error_of(reply.code, reply.payload)


def error_of(code: Code, payload: bytes) -> ServiceError:
    try:
        detail = msgspec.json.decode(payload, type=ErrorBody).error
    except msgspec.MsgspecError:
        return ServiceError(code, "The service gave no reason.")
    return ServiceError(detail.code, detail.message)
