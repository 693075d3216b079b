"""The one place that speaks to Redis pub/sub: one connection that publishes, one that is subscribed.

redis-py is not used on this path: hiredis's parser under an `asyncio.Protocol` handles a message without a task,
a lock or a per-message object, and leaves batching and order to the one writer (`pulso.outgoing`).

Delivery is at most once and in order per channel. Whenever either connection is lost both are made anew, every
channel is subscribed again, and `on_gap` is called: what was published meanwhile is gone. A probe over the real
publish path proves once a second that a message sent is a message received; a missed one counts as a lost link.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple

import hiredis
import structlog
from redis.asyncio.connection import SSLConnection, parse_url

from pulso import message, metrics
from pulso.commander import Commander
from pulso.resp import Connection, LinkDown, command, open_connection

PROBE_INTERVAL_S: Final = 1.0
PROBE_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 2.0
FIRST_BACKOFF_S: Final = 0.05
MAX_BACKOFF_S: Final = 1.0
MAX_UNSENT_BYTES: Final = 16 << 20
"""Bytes that may wait for a Redis that does not read; past this, publishing is refused as if nobody listened."""

log = structlog.get_logger(__name__)

OnMessage = Callable[[bytes], None]
OnCount = Callable[[int], None]
Waiters = list["asyncio.Future[None]"]


class Publication(NamedTuple):
    """One PUBLISH; `on_count` is told how many received it, 0 where it could not be sent at all."""

    channel: bytes
    message: bytes
    on_count: OnCount | None


class RedisLink:
    """Publishing and subscribing for one part of a process. `run` must be running for anything else to work."""

    def __init__(self, url: str, *, username: str = "", password: str = "", name: str, probe_channel: str) -> None:
        self._options = parse_url(url)
        if username:
            self._options["username"] = username
        if password:
            self._options["password"] = password
        self._name = name
        self._probe_channel = probe_channel.encode()
        self._probes = itertools.count()
        self._probe: message.Probe | None = None
        self._lag = metrics.BUS_LAG_SECONDS.of()
        # What `run` waits for: that its first subscription is confirmed, or that a probe comes back.
        self._awaited: asyncio.Future[None] | None = None
        self._handlers: dict[bytes, OnMessage] = {self._probe_channel: self._probe_arrived}
        # For each channel, whom each (un)subscription sent and not yet confirmed is to tell, in order.
        self._unconfirmed: dict[bytes, deque[Waiters]] = {}
        self._counts: deque[OnCount | None] = deque()
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._commander = Commander(self._open)
        self.command = self._commander.ask
        self._lost = asyncio.Event()
        self._up = asyncio.Event()
        self._on_lost: list[Callable[[], None]] = []
        self._on_gap: list[Callable[[], None]] = []

    @property
    def is_up(self) -> bool:
        """True while every subscription is made and the last probe came back in time."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        await self._up.wait()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Called when the link is lost: replies that were under way will not come."""
        self._on_lost.append(callback)

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Called after a reconnect, all channels subscribed again: what came between was missed."""
        self._on_gap.append(callback)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        backoff_s = FIRST_BACKOFF_S
        was_up = False
        try:
            while True:
                try:
                    async with self._connected():
                        backoff_s = FIRST_BACKOFF_S
                        if was_up:
                            metrics.BUS_RECONNECTS.inc()
                            _notify(self._on_gap)
                        was_up = True
                        await self._watch()
                except (OSError, LinkDown, TimeoutError) as fault:
                    log.warning("redis link lost", link=self._name, fault=str(fault) or type(fault).__name__)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
        finally:
            self._commander.close()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Send these in one write, without waiting. A count comes later, or 0 at once where Redis is away."""
        writer = self._writer
        if writer is None or writer.unsent_bytes() > MAX_UNSENT_BYTES:
            for publication in publications:
                if publication.on_count is not None:
                    publication.on_count(0)
            return
        self._counts.extend(publication.on_count for publication in publications)
        writer.send([command(b"PUBLISH", channel, data) for channel, data, _ in publications])

    async def subscribe(self, channel: str, handler: OnMessage) -> None:
        """Returns once Redis, which is waited for, has confirmed. The subscription outlives reconnects.

        Cancelled, it stays wanted until `unsubscribe`. A second handler of a channel replaces the first.
        """
        key = channel.encode()
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handlers[key] = handler
        self._unconfirmed.setdefault(key, deque()).append([confirmed])
        if self._reader is not None:
            self._reader.send([command(b"SUBSCRIBE", key)])
        await confirmed

    def unsubscribe(self, channel: str) -> None:
        key = channel.encode()
        if self._handlers.pop(key, None) is not None and self._reader is not None:
            self._unconfirmed.setdefault(key, deque()).append([])
            self._reader.send([command(b"UNSUBSCRIBE", key)])

    def close(self) -> None:
        """For a link that is not run, only asked by `command`: end that connection."""
        self._commander.close()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        self._lost.clear()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader = await self._open(self._pushed, self._link_lost)
                try:
                    writer = await self._open(self._published, self._link_lost)
                except BaseException:
                    reader.close()
                    raise
                # Both at once, with all subscriptions: each channel has one request and one confirmation to come.
                self._reader, self._writer = reader, writer
                # Confirmed first: a probe on the other connection could overtake its own subscription.
                await self._subscribe_again()
                await self._send_probe()
            self._up.set()
            yield
        finally:
            self._drop()

    async def _open(self, on_reply: Callable[[Any], None], on_lost: Callable[[], None]) -> Connection:
        tls = self._options.get("connection_class") is SSLConnection
        return await open_connection(self._options, tls=tls, on_reply=on_reply, on_lost=on_lost)

    async def _subscribe_again(self) -> None:
        """Make all subscriptions on a new connection, for all who wait; returns once the probe's is confirmed."""
        waiting = {key: [w for waiters in queue for w in waiters] for key, queue in self._unconfirmed.items()}
        self._unconfirmed = {key: deque([waiting.pop(key, [])]) for key in self._handlers}
        for waiters in waiting.values():
            _tell(waiters)  # unsubscribed again in the meantime
        confirmed = self._awaited = asyncio.get_running_loop().create_future()
        self._unconfirmed[self._probe_channel][-1].append(confirmed)
        assert self._reader is not None
        self._reader.send([command(b"SUBSCRIBE", *self._handlers)])
        await confirmed

    def _drop(self) -> None:
        was_open = self._writer is not None
        self._up.clear()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        # What was written may or may not have been published: whoever waits for more hears of it by on_lost.
        self._counts.clear()
        if was_open:
            _notify(self._on_lost)

    def _link_lost(self) -> None:
        self._lost.set()
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(LinkDown("the connection was closed"))

    async def _watch(self) -> None:
        """Probe for as long as the link is good; raises once it is not."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_INTERVAL_S):
                    await self._lost.wait()
            if self._lost.is_set():
                raise LinkDown("the connection was closed")
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await self._send_probe()
            except TimeoutError:
                metrics.BUS_PROBES_MISSED.inc()
                raise LinkDown("a probe did not come back") from None

    async def _send_probe(self) -> None:
        self._probe = message.Probe(next(self._probes))
        seen = self._awaited = asyncio.get_running_loop().create_future()
        (probe,) = message.encode([self._probe])
        began = perf_counter()  # the loop's own clock stands still within a turn
        self.publish([Publication(self._probe_channel, probe, None)])
        await seen
        self._lag.observe(perf_counter() - began)

    def _probe_arrived(self, data: bytes) -> None:
        if self._awaited is not None and message.decode(data) == [self._probe]:
            _tell([self._awaited])

    def _published(self, reply: Any) -> None:
        on_count = self._counts.popleft() if self._counts else None
        if isinstance(reply, hiredis.ReplyError):
            log.error("redis refused a publication", link=self._name, fault=str(reply))
            reply = 0
        if on_count is not None:
            _guarded(on_count, reply)

    def _pushed(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            log.error("redis refused a subscription", link=self._name, fault=str(reply))
            self._link_lost()
            return
        kind, channel, data = reply
        if kind == b"message":
            handler = self._handlers.get(channel)
            if handler is not None:
                _deliver(handler, channel, data)
        elif queue := self._unconfirmed.get(channel):
            _tell(queue.popleft())
            if not queue:
                del self._unconfirmed[channel]


def url_complaint(url: str) -> str | None:
    """What is wrong with the URL of a Redis, without a word of it: it may hold a password."""
    try:
        parse_url(url)
    except ValueError:
        return "must look like redis://host:port/0, rediss://host:port/0 or unix:///path"
    return None


def _deliver(handler: OnMessage, channel: bytes, data: bytes) -> None:
    try:
        handler(data)
    except message.BrokenFrame as fault:
        metrics.BUS_BROKEN_FRAMES.inc()
        log.warning("broken frame dropped", channel=channel.decode(errors="replace"), fault=str(fault))
    except Exception:  # one bad message must not end the reader, on which everything depends
        log.exception("a message was not handled", channel=channel.decode(errors="replace"))


def _tell(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _notify(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        _guarded(callback)


def _guarded(callback: Callable[..., None], *details: int) -> None:
    try:
        callback(*details)
    except Exception:  # the fault of one must not end the connection that all others use
        log.exception("a callback of the link failed")
