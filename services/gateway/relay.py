"""From a client's request to the service that answers it, and back: the gateway's whole routing.

Services are known by their manifests alone. Payloads pass raw: the bytes of the argument go to the service, and
the bytes of its reply into the ack, unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Final

import msgspec
import structlog

from pulso.bus import Bus, result_of
from pulso.contract import Caller, Surface
from pulso.errors import Code, ServiceError
from pulso.manifest import EndpointManifest
from pulso.manifests import Manifests, Route
from pulso.message import Reply
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from pulso.tracing import ORIGIN
from services.gateway import metrics
from services.gateway.connection import Connection, ack_frame
from services.gateway.journal import Journal
from services.gateway.known import Known, known_from
from services.gateway.remembered import Remembered

MAX_PAYLOAD_BYTES: Final = 64 * 1024
GREET_AGAIN_S: Final = 1.0
READ_AGAIN_S: Final = 0.5

_BY_HTTP: Final = (Surface.OPEN, Surface.HTTP)

log = structlog.get_logger(__name__)

OnReply = Callable[[Reply], None]


class _Event(msgspec.Struct, gc=False):
    """A client's event under way. One object with fields: two closures were 0.7 us and 1 KB an event more.

    Garbage collection can leave it out, as it is in no cycle.
    """

    relay: Relay
    connection: Connection
    caller: Caller
    known: Known | None
    name: str
    payload: bytes
    ack: bytes
    arrived: float
    """By `time.monotonic`."""

    def answered(self, payload: bytes, code: Code | None) -> None:
        """By a service."""
        if self.known is not None:
            self.known.seconds.observe(monotonic() - self.arrived)
        self.relay.answer(self, payload, code or "ok")

    @staticmethod
    def all_answered(askers: Sequence[_Event], payloads: Sequence[bytes]) -> None:
        askers[0].relay.answer_each(askers, payloads)

    def on_reply(self, reply: Reply) -> None:
        self.answered(reply.payload, reply.code)

    def refuse(self, error: ServiceError) -> None:
        """Without having asked a service."""
        self.relay.answer(self, error.encode(), error.code)


class Relay:
    def __init__(self, bus: Bus, link: RedisLink, journal: Journal, remembered: Remembered) -> None:
        self._bus = bus
        self._link = link
        self._journal = journal
        self._loop = asyncio.get_running_loop()  # kept, for the reason that `Bus` has
        self._stale = asyncio.Event()
        self._remembered = remembered
        self.manifests = Manifests()
        self.manifests.learn(remembered.recall(), bus)
        self._known = known_from(self.manifests.routes)
        """By the bytes of their names, for each event to find."""

    def refresh(self) -> None:
        """The manifests may be others now; they are read again soon."""
        self._stale.set()

    async def run(self, on_read: Callable[[], None]) -> None:
        """Keep the manifests read; `on_read` is called each time they were."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self.manifests.read(self._link, self._bus)
            except LinkDown:
                self._stale.set()
                await asyncio.sleep(READ_AGAIN_S)
            else:
                self._known = known_from(self.manifests.routes)
                on_read()
                await self._remembered.keep(self.manifests.services.values())

    def event(self, connection: Connection, name: str, payload: bytes, ack: bytes) -> None:
        """A client's event. `ack` is the packet's id, or empty where the client asked for no answer.

        A packet that can be no event of ours comes without a name: the journal keeps that it came.
        """
        self._take(connection, self._known.get(name.encode("utf-8", "replace")), name, payload, ack)

    def known_event(self, connection: Connection, name: bytes, payload: bytes, ack: bytes) -> bool:
        """As `event`, where there is an endpoint of this name; else nothing is done and the answer is False."""
        known = self._known.get(name)
        if known is None:
            return False
        self._take(connection, known, known.name, payload, ack)
        return True

    def _take(self, connection: Connection, known: Known | None, name: str, payload: bytes, ack: bytes) -> None:
        arrived, caller = monotonic(), connection.caller
        event = _Event(self, connection, caller, known, name, payload, ack, arrived)
        if not connection.bucket.take(arrived):
            event.refuse(_too_many())
        elif len(payload) > MAX_PAYLOAD_BYTES:
            event.refuse(ServiceError("too_large", f"A payload may have {MAX_PAYLOAD_BYTES} bytes."))
        elif known is None or not known.by_socket:
            event.refuse(_unknown(name))
        elif connection.trace:
            self._request(known.route, caller, payload, event.on_reply, trace=connection.trace)
        else:
            self._bus.ask(
                known.channel or known.route.channel_for(caller.id),
                known.name,
                payload,
                connection.encoded_caller,
                client=caller.connection,
                timeout_s=known.timeout_s,
                asker=event,
            )

    def answer(self, event: _Event, payload: bytes, outcome: str) -> None:
        """Exactly once for every event: count it, record it, and ack it where that is asked for."""
        known, connection = event.known, event.connection
        label, private = (known.name, known.private) if known is not None else (metrics.UNKNOWN, False)
        metrics.RECEIVED.counts[label, outcome] += 1
        at = event.arrived + self._since_1970()
        self._journal.came_in(event.caller, event.name, event.payload, outcome, private=private, at=at)
        if event.ack and connection.is_open:
            connection.outlet.send(ack_frame(event.ack, payload))

    def answer_each(self, events: Sequence[_Event], payloads: Sequence[bytes]) -> None:
        """As `answer` for each of these, which services have answered with results, at two thirds of the price."""
        now, since_1970 = monotonic(), self._since_1970()
        by_endpoint: dict[int, list[_Event]] = {}
        for event, payload in zip(events, payloads, strict=True):
            same = by_endpoint.get(id(event.known))
            if same is None:
                same = by_endpoint[id(event.known)] = []
            same.append(event)
            if event.ack and event.connection.is_open:
                try:
                    event.connection.outlet.send(ack_frame(event.ack, payload))
                except Exception:  # the fault of one must not keep their acks from the others
                    log.exception("an ack was not sent")
        for same in by_endpoint.values():
            known = same[0].known
            assert known is not None, "a service was asked"
            known.seconds.observe_each([now - event.arrived for event in same])
            metrics.RECEIVED.counts[known.name, "ok"] += len(same)
            messages = [(event.caller, event.payload, event.arrived + since_1970) for event in same]
            self._journal.all_came_in(known.name, messages, private=known.private)

    def _since_1970(self) -> float:
        """What the clock that is never set is behind the journal's."""
        return self._journal.now() - monotonic()

    async def http(self, name: str, payload: bytes, caller: Caller, *, request_id: str) -> bytes:
        """A request over HTTP: the JSON of the result. Raises `ServiceError`."""
        return await self._ask(self._find(name, _BY_HTTP), payload, caller, request_id)

    def upload_endpoint(self, name: str) -> EndpointManifest | None:
        """The endpoint of this name, where it takes files."""
        route = self.manifests.routes.get(name)
        return route.endpoint if route is not None and route.endpoint.surface is Surface.UPLOAD else None

    async def upload(self, name: str, payload: bytes, caller: Caller, *, request_id: str) -> bytes:
        """Hand over what was stored of an upload: the JSON of the result. Raises `ServiceError`."""
        return await self._ask(self._find(name, (Surface.UPLOAD,)), payload, caller, request_id)

    async def ask(self, name: str, payload: bytes, caller: Caller, *, request_id: str) -> bytes:
        """The gateway's own question to a service: the JSON of the result. Raises `ServiceError`."""
        return await self._ask(self._find(name, (Surface.INTERNAL,)), payload, caller, request_id)

    def _find(self, name: str, surfaces: Collection[Surface]) -> Route:
        route = self.manifests.routes.get(name)
        if route is None or route.endpoint.surface not in surfaces:
            raise _unknown(name)
        return route

    async def _ask(self, route: Route, payload: bytes, caller: Caller, request_id: str) -> bytes:
        replied: asyncio.Future[Reply] = self._loop.create_future()
        arrived = monotonic()

        def on_reply(reply: Reply) -> None:
            if not replied.done():
                replied.set_result(reply)

        self._request(route, caller, payload, on_reply, request_id, ORIGIN.get().trace)
        reply = await replied
        endpoint = route.endpoint
        if endpoint.surface is not Surface.INTERNAL:  # no client has sent that
            metrics.ACK_SECONDS.of(endpoint.name).observe(monotonic() - arrived)
            metrics.RECEIVED.counts[endpoint.name, reply.code or "ok"] += 1
        return result_of(reply)

    def greet(self, connection: Connection) -> None:
        """Tell each service that wants to know of this connection, again and again until it has answered."""
        for route in self.manifests.on_connect:
            if route.endpoint.name not in connection.greeted:
                connection.greeted.add(route.endpoint.name)
                self._greet(connection, route)

    def tell_of_gap(self, connection: Connection) -> None:
        """Tell each service that wants to know that this connection may have missed something; until answered."""
        for route in self.manifests.on_gap:
            self._greet(connection, route)

    def _greet(self, connection: Connection, route: Route) -> None:
        if not connection.is_open:
            return

        def on_reply(reply: Reply) -> None:
            if reply.code in ("unavailable", "timeout"):
                self._loop.call_later(GREET_AGAIN_S, self._greet, connection, route)
            elif reply.code is not None:
                log.error("greeting refused", endpoint=route.endpoint.name, code=reply.code)

        self._request(route, connection.caller, b"", on_reply)

    def _request(
        self,
        route: Route,
        caller: Caller,
        payload: bytes,
        on_reply: OnReply,
        request_id: str = "",
        trace: str = "",
    ) -> None:
        endpoint = route.endpoint
        self._bus.request(
            route.channel_for(caller.id),
            endpoint.name,
            payload,
            caller,
            timeout_s=endpoint.timeout_s,
            on_reply=on_reply,
            request_id=request_id,
            trace=trace,
        )


def _unknown(name: str) -> ServiceError:
    if not name:
        return ServiceError("bad_request", "Send an event of this server with one JSON object.")
    return ServiceError("not_found", f"There is no {name[:80]}.")


def _too_many() -> ServiceError:
    return ServiceError("rate_limited", "Too many events. Slow down.")
