"""Calls, replies and events between processes, over Redis pub/sub.

- Everything sent in one turn of the event loop to one channel travels as one message: alone it goes at once,
  under load batches grow by themselves.
- Delivery is at most once, in order per channel. A call to a channel that nobody listens to fails as
  `unavailable` at once; one that is not answered by its deadline, as `timeout`; one that was under way when the
  link was lost, or when all who listened went away, as `unavailable`, and may have been carried out. Whoever needs
  more retries with an id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec
import structlog

from pulso import message, metrics
from pulso.awaited import TICK_S, Asker, Awaited, OnReply, Waiting
from pulso.channels import Channels
from pulso.confirmed import Confirmed
from pulso.contract import Caller, Endpoint
from pulso.errors import Code, ErrorBody, ServiceError
from pulso.message import Call, Calls, Envelope, Membership, Replies, Reply, Tell, TellOthers
from pulso.redis_link import OnCount, Publication, RedisLink
from pulso.tracing import ORIGIN
from pulso.vigil import LOOK_EVERY_S, Vigil

Req = TypeVar("Req")
Res = TypeVar("Res")

MAX_TOGETHER: Final = 256
"""Calls, or replies, in one envelope: a handler's batch is made of whole ones."""

MEMBERSHIP_TIMEOUT_S: Final = 5.0
PUBLISH_TIMEOUT_S: Final = 2.0

OnBatch = Callable[[list[Envelope]], None]

_GONE: Final = ServiceError("unavailable", "The service is not there right now. Try again in a moment.")
_LOST: Final = ServiceError("unavailable", "The connection was interrupted; it may have been done. Try again.")
_DESERTED: Final = ServiceError("unavailable", "The service has gone; it may have been done. Try again.")
_UNSENDABLE: Final = ServiceError("internal", "This cannot be sent: a text in it is no valid Unicode.")

log = structlog.get_logger(__name__)


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
        self._outgoing: dict[str, list[Envelope]] = {}
        self._batch_sizes = metrics.BUS_BATCH_SIZE.of()
        self._confirmed = Confirmed(link)
        self._vigil = Vigil(self._awaited.askers, self._count, lambda id_: self._awaited.fail(id_, _DESERTED))
        link.on_lost(lambda: self._awaited.fail_all(_LOST))

    async def run(self) -> None:
        """Keep deadlines, and look after calls in hand, until cancelled."""
        look_at = self._loop.time() + LOOK_EVERY_S
        while True:
            await asyncio.sleep(TICK_S)
            self._awaited.expire()
            if self._loop.time() >= look_at:
                self._vigil.look()
                look_at = self._loop.time() + LOOK_EVERY_S

    async def listen(self, channel: str, on_batch: OnBatch) -> None:
        """Returns once the subscription is confirmed. `on_batch` is called in the reader: it must not block."""

        def decoded(data: bytes) -> None:
            on_batch(message.decode(data))

        await self.link.subscribe(channel, decoded)

    def unlisten(self, channel: str) -> None:
        self.link.unsubscribe(channel)

    def send(self, channel: str, envelope: Envelope) -> None:
        """Send with all else that this turn of the loop sends to the channel."""
        queue = self._outgoing.get(channel)
        if queue is None:
            if not self._outgoing:
                self._loop.call_soon(self._flush)
            self._outgoing[channel] = [envelope]
        else:
            queue.append(envelope)

    async def announce(self, channel: str, event: str, payload: bytes) -> int:
        """Publish at once; returns how many received it once Redis has taken it, 0 where it is away."""
        (data,) = message.encode([Tell(event, payload)])
        return await self._published(channel, data)

    async def publish(self, batches: Mapping[str, list[Envelope]]) -> bool:
        """Publish at once, each batch to its channel; True once Redis has passed all of it on.

        False where it is away or was lost meanwhile: then all, some or nothing of it was published.
        """
        self._flush()  # what this turn has sent before goes before
        return await self._confirmed.publish(
            (publication.channel, publication.message)
            for channel, batch in batches.items()
            for publication in self._publications(channel, batch)
        )

    async def settle(self) -> None:
        """Returns once Redis has taken all that was sent before, or is away: then this party may leave."""
        (nothing,) = message.encode([])
        await self._published(self.inbox, nothing)

    async def _published(self, channel: str, data: bytes) -> int:
        counted: asyncio.Future[int] = self._loop.create_future()

        def on_count(count: int) -> None:
            if not counted.done():
                counted.set_result(count)

        self._publish(channel, data, on_count)
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                return await counted
        except TimeoutError:
            return 0

    def hail(self, channels: Iterable[tuple[str, OnCount]], envelope: Envelope) -> None:
        """Publish at once to each of these, all in one write; each is told how many received it, 0 without Redis."""
        (data,) = message.encode([envelope])
        self._flush()  # what this turn has sent before goes before
        self.link.publish([Publication(channel.encode(), data, on_count) for channel, on_count in channels])

    def _count(self, channel: str, on_count: Callable[[int], None]) -> None:
        """`on_count` is told how many listen; they are sent an empty batch."""
        (nothing,) = message.encode([])
        self._publish(channel, nothing, on_count)

    def _publish(self, channel: str, data: bytes, on_count: Callable[[int], None]) -> None:
        self._flush()  # what this turn has sent before goes before
        self.link.publish([Publication(channel.encode(), data, on_count)])

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

    def ask(
        self, channel: str, endpoint: str, payload: bytes, caller: bytes, *, timeout_s: float, asker: Asker
    ) -> None:
        """As `request`, in one envelope with the calls to the same endpoint right before it: for a client's event.

        `caller` is from `message.encode_caller`. The deadline counts from the end of this turn.
        """
        awaited = self._awaited
        id_ = next(awaited.ids)
        awaited.askers[id_] = asker
        last = self._last(channel)
        # Only with those right before it: what a client asks for after something else must not overtake that.
        if type(last) is Calls and last.endpoint == endpoint and len(last.ids) < MAX_TOGETHER:
            last.ids.append(id_)
            last.callers.append(caller)
            last.payloads.append(payload)
        else:
            self.send(channel, Calls(endpoint, self.inbox, timeout_s, [id_], [caller], [payload]))

    def answer(self, channel: str, ids: list[int], payloads: list[bytes]) -> None:
        """Reply with the results of calls, in columns."""
        last = self._last(channel)
        if type(last) is Replies and len(last.ids) + len(ids) <= MAX_TOGETHER:
            last.ids.extend(ids)
            last.payloads.extend(payloads)
        else:
            self.send(channel, Replies(ids, payloads))

    def tell_others(self, channel: str, event: str, caller: Caller, payload: bytes) -> None:
        """For the other connections of the caller's user, by way of its gateway; in columns."""
        last = self._last(channel)
        if type(last) is TellOthers and last.event == event and len(last.users) < MAX_TOGETHER:
            last.users.append(caller.id)
            last.connections.append(caller.connection)
            last.payloads.append(payload)
        else:
            self.send(channel, TellOthers(event, [caller.id], [caller.connection], [payload]))

    def _last(self, channel: str) -> Envelope | None:
        """What goes to this channel last, as far as it is known by now."""
        queue = self._outgoing.get(channel)
        return queue[-1] if queue else None

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

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, {}
        publications: list[Publication] = []
        # Replies first: what a topic is told after a snapshot was taken must not overtake the snapshot.
        first: list[tuple[str, list[Envelope]]] = []
        then: list[tuple[str, list[Envelope]]] = []
        for item in outgoing.items():
            (first if item[0].startswith(self.channels.gateways) else then).append(item)
        for channel, envelopes in (*first, *then):
            for envelope in envelopes:
                if type(envelope) is Calls:  # the others have their deadlines already
                    self._awaited.until(envelope.ids, envelope.timeout_s)
            try:
                publications += self._publications(channel, envelopes)
            except UnicodeEncodeError:
                # One text that is no UTF-8 must not take along what others sent in the same turn.
                for envelope in envelopes:
                    publications += self._alone(channel, envelope)
        if publications:
            self.link.publish(publications)

    def _publications(self, channel: str, envelopes: list[Envelope]) -> list[Publication]:
        name = channel.encode()
        publications = []
        for data, part in message.parts(envelopes):
            self._batch_sizes.observe(message.count(part))
            publications.append(Publication(name, data, self._absence(channel, part)))
        return publications

    def _alone(self, channel: str, envelope: Envelope) -> list[Publication]:
        try:
            return self._publications(channel, [envelope])
        except UnicodeEncodeError as fault:
            log.error("an envelope cannot be sent", kind=type(envelope).__name__, fault=fault.reason)
            for id_ in message.awaited([envelope]):
                self._awaited.fail(id_, _UNSENDABLE)
            return []

    def _absence(self, channel: str, part: list[Envelope]) -> Callable[[int], None] | None:
        """What to do where nobody received this: those who wait for an answer hear so at once."""
        ids = message.awaited(part)
        if not ids:
            return None
        self._vigil.sent(channel, ids)

        def on_count(count: int) -> None:
            if count == 0:
                for id_ in ids:
                    self._awaited.fail(id_, _GONE)

        return on_count


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
