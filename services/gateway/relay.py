"""From a client's request to the service that answers it, and back: the gateway's whole routing.

Services are known by their manifests alone. Payloads pass raw: the bytes of the argument go to the service, and
the bytes of its reply into the ack, unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from pulso.bus import Bus, result_of
from pulso.contract import Caller, EndpointManifest, Manifest, Surface, shard_of
from pulso.errors import ServiceError
from pulso.manifests import Manifests
from pulso.message import Reply
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.gateway import metrics
from services.gateway.connection import Connection, ack_frame
from services.gateway.journal import Journal

MAX_PAYLOAD_BYTES: Final = 64 * 1024
GREET_AGAIN_S: Final = 1.0
READ_AGAIN_S: Final = 0.5

log = structlog.get_logger(__name__)

OnReply = Callable[[Reply], None]


class Relay:
    def __init__(self, bus: Bus, link: RedisLink, journal: Journal) -> None:
        self._bus = bus
        self._link = link
        self._journal = journal
        self._stale = asyncio.Event()
        self.manifests = Manifests()

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
                on_read()

    def event(self, connection: Connection, name: str, payload: bytes, ack: str) -> None:
        """A client's event. `ack` is the packet's id, or empty where the client asked for no answer."""
        found = self.manifests.endpoints.get(name)
        private = found is not None and found[0].private
        try:
            if not connection.bucket.take(asyncio.get_running_loop().time()):
                raise _too_many()
            if len(payload) > MAX_PAYLOAD_BYTES:
                raise ServiceError("too_large", f"A payload may have {MAX_PAYLOAD_BYTES} bytes.")
            endpoint, manifest = self._find(name, Surface.OPEN, Surface.SOCKET)
        except ServiceError as error:
            self._answered(connection, name, payload, ack, private=private, reply=_refused(error))
            return
        self._request(
            endpoint,
            manifest,
            connection.caller,
            payload,
            lambda reply: self._answered(connection, name, payload, ack, private=private, reply=reply),
        )

    def malformed(self, connection: Connection, ack: str) -> None:
        """A packet that can be no event of ours. Nobody knows what is in it: the journal keeps that it came."""
        error = ServiceError("bad_request", "Send an event of this server with one JSON object.")
        if not connection.bucket.take(asyncio.get_running_loop().time()):
            error = _too_many()
        self._answered(connection, "", b"", ack, private=True, reply=_refused(error))

    async def http(self, name: str, payload: bytes, caller: Caller, *, request_id: str) -> bytes:
        """A request over HTTP: the JSON of the result. Raises `ServiceError`."""
        endpoint, manifest = self._find(name, Surface.OPEN, Surface.HTTP)
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Reply) -> None:
            if not replied.done():
                replied.set_result(reply)

        self._request(endpoint, manifest, caller, payload, on_reply, request_id)
        reply = await replied
        self._journal.came_in(caller, name, payload, outcome=reply.code or "ok", private=endpoint.private)
        return result_of(reply)

    def greet(self, connection: Connection) -> None:
        """Tell each service that wants to know of this connection, again and again until it has answered."""
        for endpoint, manifest in self.manifests.on_connect:
            if endpoint.name not in connection.greeted:
                connection.greeted.add(endpoint.name)
                self._greet(connection, endpoint, manifest)

    def _greet(self, connection: Connection, endpoint: EndpointManifest, manifest: Manifest) -> None:
        if not connection.is_open:
            return

        def on_reply(reply: Reply) -> None:
            if reply.code in ("unavailable", "timeout"):
                loop = asyncio.get_running_loop()
                loop.call_later(GREET_AGAIN_S, self._greet, connection, endpoint, manifest)
            elif reply.code is not None:
                log.error("greeting refused", endpoint=endpoint.name, code=reply.code)

        self._request(endpoint, manifest, connection.caller, b"", on_reply)

    def _find(self, name: str, *surfaces: Surface) -> tuple[EndpointManifest, Manifest]:
        found = self.manifests.endpoints.get(name)
        if found is None or found[0].surface not in surfaces:
            raise ServiceError("not_found", f"There is no {name[:80]}.")
        return found

    def _request(
        self,
        endpoint: EndpointManifest,
        manifest: Manifest,
        caller: Caller,
        payload: bytes,
        on_reply: OnReply,
        request_id: str = "",
    ) -> None:
        channel = self._bus.channels.service(manifest.service, shard_of(caller.id, manifest.shards))
        self._bus.request(
            channel,
            endpoint.name,
            payload,
            caller,
            timeout_s=endpoint.timeout_s,
            on_reply=on_reply,
            request_id=request_id,
        )

    def _answered(
        self, connection: Connection, name: str, payload: bytes, ack: str, *, private: bool, reply: Reply
    ) -> None:
        outcome = reply.code or "ok"
        metrics.RECEIVED.labels(outcome).inc()
        self._journal.came_in(connection.caller, name, payload, outcome=outcome, private=private)
        if ack and connection.is_open:
            connection.send(ack_frame(ack, reply.payload))


def _refused(error: ServiceError) -> Reply:
    return Reply(0, error.encode(), error.code)


def _too_many() -> ServiceError:
    return ServiceError("rate_limited", "Too many events. Slow down.")
