"""What a party sends: gathered for one turn of the event loop, by channel, and as one message for each.

Alone a message goes at once; under load clients' events are gathered for some milliseconds, unless something else
is sent meanwhile, which takes them along. They and their results go in columns, many in one envelope. Whoever
waits for an answer to what nobody received hears so at once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from pulso import message, metrics
from pulso.awaited import Asker, Awaited
from pulso.channel_queue import MAX_TOGETHER, ChannelQueue
from pulso.errors import ServiceError
from pulso.message import Calls, Envelope, Replies
from pulso.redis_link import OnCount, Publication, RedisLink
from pulso.vigil import Vigil

LOAD_CALLS: Final = 8
"""Calls of clients to one endpoint in one envelope: so many have come together that there is load."""
LOAD_LASTS_S: Final = 0.1
GATHER_S: Final = 0.01
"""Under load it is gathered for so long, from the first to be sent.

Each batch has its price for the service, which comes to it with cold caches and commits it by itself: 500 clients
in lockstep cost it a quarter less so, and the whole chain a tenth.
"""

_GONE: Final = ServiceError("unavailable", "The service is not there right now. Try again in a moment.")
_DESERTED: Final = ServiceError("unavailable", "The service has gone; it may have been done. Try again.")
_UNSENDABLE: Final = ServiceError("internal", "This cannot be sent: a text in it is no valid Unicode.")

log = structlog.get_logger(__name__)


class Outgoing:
    """In order per channel, as far as `ChannelQueue` keeps it.

    `first` is how the channels begin whose messages go before those of all others, `inbox` where calls are to be
    answered; `vigil` looks after those that were sent.
    """

    def __init__(self, link: RedisLink, awaited: Awaited, *, inbox: str, first: str) -> None:
        self._link = link
        self._awaited = awaited
        self._inbox = inbox
        self._first = first
        self._loop = asyncio.get_running_loop()  # kept, for the reason that `Bus` has
        self._queues: dict[str, ChannelQueue] = {}
        self._loaded_until = 0.0
        self._goes_now = False
        """Whether it all goes at the end of this turn."""
        self._goes_later: asyncio.TimerHandle | None = None
        self._batch_sizes = metrics.BUS_BATCH_SIZE.of()
        self.vigil = Vigil(awaited.askers, self._count, lambda id_: awaited.fail(id_, _DESERTED))

    def send(self, channel: str, envelope: Envelope) -> None:
        """Send with all else that this turn of the loop sends to the channel, and with what was gathered there."""
        self._queue(channel).put(envelope)
        if not self._goes_now:
            self._go_now()

    def ask(
        self,
        channel: str,
        endpoint: str,
        payload: bytes,
        caller: bytes,
        *,
        client: str,
        timeout_s: float,
        asker: Asker,
    ) -> None:
        """As `Bus.request`, for a client's event: in one envelope with other calls to the same endpoint.

        `client` is any name that tells it from others: its calls stay in their order. `caller` is from
        `message.encode_caller`. The deadline counts from when it is sent.
        """
        awaited = self._awaited
        id_ = next(awaited.ids)
        awaited.askers[id_] = asker
        queue = self._queues.get(channel)
        if queue is None or not queue.take(endpoint, id_, caller, payload, client):
            self._gather(channel, Calls(endpoint, self._inbox, timeout_s, [id_], [caller], [payload]), client)

    def answer(self, channel: str, ids: list[int], payloads: list[bytes]) -> None:
        """Reply with the results of calls, in columns."""
        queue = self._queues.get(channel)
        last = queue.envelopes[-1] if queue is not None else None
        if type(last) is Replies and len(last.ids) + len(ids) <= MAX_TOGETHER:
            last.ids.extend(ids)
            last.payloads.extend(payloads)
        else:
            self.send(channel, Replies(ids, payloads))

    def at_once(self, publications: list[Publication]) -> None:
        """Publish these at once, in one write, after what was sent before."""
        self.flush()
        self._link.publish(publications)

    def flush(self) -> None:
        """Publish what was sent so far."""
        queues = {channel: queue.envelopes for channel, queue in self._queues.items()}
        self._queues = {}
        self._goes_now = False
        if self._goes_later is not None:
            self._goes_later.cancel()
            self._goes_later = None
        self._begin_deadlines(queues)
        publications: list[Publication] = []
        # Replies first: what a topic is told after a snapshot was taken must not overtake the snapshot.
        first: list[tuple[str, list[Envelope]]] = []
        then: list[tuple[str, list[Envelope]]] = []
        for item in queues.items():
            (first if item[0].startswith(self._first) else then).append(item)
        for channel, envelopes in (*first, *then):
            try:
                publications += self.publications(channel, envelopes)
            except UnicodeEncodeError:
                # One text that is no UTF-8 must not take along what others sent in the same turn.
                for envelope in envelopes:
                    publications += self._alone(channel, envelope)
        if publications:
            self._link.publish(publications)

    def publications(self, channel: str, envelopes: list[Envelope]) -> list[Publication]:
        """These, as one message or as many as their size asks for. Raises UnicodeEncodeError."""
        name = channel.encode()
        publications = []
        for data, part in message.parts(envelopes):
            self._batch_sizes.observe(message.count(part))
            publications.append(Publication(name, data, self._absence(channel, part)))
        return publications

    def _queue(self, channel: str) -> ChannelQueue:
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = ChannelQueue()
        return queue

    def _gather(self, channel: str, calls: Calls, client: str) -> None:
        """Send at the end of this turn, or under load with those of the next ones.

        These alone can wait: of what else a gateway sends a topic is told some, and what a service tells the same
        topic later must not overtake it.
        """
        self._queue(channel).begin(calls, client)
        if self._goes_now or self._goes_later is not None:
            return
        if self._loop.time() < self._loaded_until:
            self._goes_later = self._loop.call_later(GATHER_S, self.flush)
        else:
            self._go_now()

    def _go_now(self) -> None:
        self._goes_now = True
        self._loop.call_soon(self.flush)

    def _begin_deadlines(self, queues: dict[str, list[Envelope]]) -> None:
        """Of the calls that were gathered: the others have theirs already."""
        for envelopes in queues.values():
            for envelope in envelopes:
                if type(envelope) is Calls:
                    self._awaited.until(envelope.ids, envelope.timeout_s)
                    if len(envelope.ids) >= LOAD_CALLS:
                        self._loaded_until = self._loop.time() + LOAD_LASTS_S

    def _alone(self, channel: str, envelope: Envelope) -> list[Publication]:
        try:
            return self.publications(channel, [envelope])
        except UnicodeEncodeError as fault:
            log.error("an envelope cannot be sent", kind=type(envelope).__name__, fault=fault.reason)
            for id_ in message.awaited([envelope]):
                self._awaited.fail(id_, _UNSENDABLE)
            return []

    def _absence(self, channel: str, part: list[Envelope]) -> OnCount | None:
        """What to do where nobody received this: those who wait for an answer hear so at once."""
        ids = message.awaited(part)
        if not ids:
            return None
        self.vigil.sent(channel, ids)

        def on_count(count: int) -> None:
            if count == 0:
                for id_ in ids:
                    self._awaited.fail(id_, _GONE)

        return on_count

    def _count(self, channel: str, on_count: OnCount) -> None:
        """`on_count` is told how many listen; they are sent an empty batch."""
        (nothing,) = message.encode([])
        self.at_once([Publication(channel.encode(), nothing, on_count)])
