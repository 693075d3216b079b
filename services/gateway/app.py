"""The gateway, put together: bus, hub, relay, identity, limits, routes; and how it starts and stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
from aiohttp import web

from pulso.announcer import Announcer
from pulso.connections import ROLL_CALL
from pulso.lease import redis_client
from pulso.manifests import ANNOUNCED
from pulso.message import Envelope, Tell
from pulso.party import NO_REDIS, Connected, before, connected, running
from pulso.probes import OK, Health
from pulso.reporter import Party, Reporter
from pulso.settings import KitSettings
from pulso.tasks import Tasks
from services.auth import contract as auth
from services.gateway import contract, metrics
from services.gateway.account import Account
from services.gateway.api import Api
from services.gateway.assets import setup_assets
from services.gateway.documents.routes import Documents
from services.gateway.heard import Heard
from services.gateway.hub import Hub
from services.gateway.journal import SPOOLS, Journal
from services.gateway.limits import AccountLimits, SocketCounts, account_limits
from services.gateway.pages import setup_pages
from services.gateway.relay import MAX_PAYLOAD_BYTES, Relay
from services.gateway.remembered import Remembered
from services.gateway.requests import Edge
from services.gateway.responses import guard, secure_headers, secure_lines
from services.gateway.server import listening
from services.gateway.sessions import Sessions
from services.gateway.sockets import Sockets
from services.gateway.static_files import setup_static_files
from services.gateway.upload_folder import UploadFolder, opened_folder
from services.gateway.uploads import Uploads
from services.settings import GatewaySettings

FRONTEND: Final = Path(__file__).parents[2] / "frontend"
CLOSE_WITHIN_S: Final = 3.0
"""Over how long the clients of a stopping gateway are sent elsewhere, so that they do not all arrive at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one running gateway that know each other."""

    edge: Edge
    announcer: Announcer
    hub: Hub
    relay: Relay
    sessions: Sessions
    sockets: Sockets
    account: Account
    uploads: Uploads
    journal: Journal


async def serve_gateway(settings: GatewaySettings, kit: KitSettings, health: Health, stop: asyncio.Event) -> None:
    """Run one gateway until `stop`; then take no more, send its clients elsewhere, and close."""
    health.watch("gateway.bus", lambda: NO_REDIS)
    health.watch("gateway.http", lambda: "not listening yet")
    async with (
        redis_client(kit.redis_url, username=kit.redis_username, password=kit.redis_password) as redis,
        connected(kit, name="gw", inbox=lambda channels, instance: channels.gateway(instance), stop=stop) as up,
        opened_folder(settings.uploads) as folder,
        Tasks() as tasks,
    ):
        limits = account_limits(redis, kit.redis_prefix, settings)
        gateway = compose(settings, kit, up, limits, folder, tasks)
        health.watch("gateway.bus", lambda: OK if up.link.is_up else NO_REDIS)
        health.watch("gateway.auth", lambda: OK if gateway.sessions.is_ready else "auth has not answered yet")
        await before(stop, follow_bus(gateway, up))
        if stop.is_set():
            return
        async with (
            running(
                gateway.relay.run(lambda: greet_all(gateway)),
                gateway.sessions.run(gateway.hub.end_sessions),
                gateway.journal.run(),
                gateway.hub.company.run(),
                gateway.announcer.run(),
                Reporter(up.bus, party_of(gateway, up, kit, health)).run(),
            ),
            listening(application(gateway, settings), settings.host, settings.port) as refuse,
        ):
            health.watch("gateway.http", lambda: OK)
            await stop.wait()
            health.watch("gateway.http", lambda: "stopping")
            log.info("draining", service="gateway")
            refuse()  # first, or the clients that are sent away would be sent here by the least loaded's rule
            await gateway.sockets.close_gradually(CLOSE_WITHIN_S)
        # After the loop that flushes it, and the last request.
        await gateway.journal.close()
        gateway.announcer.leave()
        await up.bus.settle()


def compose(
    settings: GatewaySettings,
    kit: KitSettings,
    up: Connected,
    limits: AccountLimits,
    folder: UploadFolder,
    tasks: Tasks,
) -> Gateway:
    edge = Edge(trusted_proxies=settings.trusted_proxies, origins=settings.origins)
    journal = Journal(
        up.link,
        prefix=kit.redis_prefix,
        gateway=up.instance,
        spools=kit.data / SPOOLS,
        spool_bytes=settings.journal_spool_megabytes << 20,
        now=time.time,
        is_on=settings.journal,
    )
    announcer = Announcer(up.bus, gateway=up.instance)
    hub = Hub(up.bus, journal, announcer, tasks, now=_now)
    relay = Relay(up.bus, up.link, journal, Remembered(kit.data))
    sessions = Sessions(up.bus, edge, gateway=up.instance, token_seconds=settings.token_seconds)
    counts = SocketCounts(
        per_address=settings.limit_connections_per_address, per_user=settings.limit_connections_per_user
    )
    sockets = Sockets(
        relay, hub, sessions, counts, journal, tasks,
        events_per_second=settings.limit_events_per_second, more_headers=secure_lines(edge),
    )  # fmt: skip
    account = Account(sessions, edge, limits, guests_allowed=settings.guests)
    uploads = Uploads(relay, sessions, folder, tasks)
    return Gateway(edge, announcer, hub, relay, sessions, sockets, account, uploads, journal)


def party_of(gateway: Gateway, up: Connected, kit: KitSettings, health: Health) -> Party:
    """How this gateway reports of itself."""

    def outbox_bytes() -> int:
        waiting: int = gateway.sockets.eio.unread_bytes()
        metrics.OUTBOX_BYTES.set(waiting)
        return waiting

    return Party(
        "gateway",
        up.instance,
        health,
        kit.data,
        metrics.ACK_SECONDS,
        metrics.RECEIVED,
        belongs=lambda _endpoint: True,
        counters={"received_per_s": metrics.RECEIVED.total, "sent_per_s": metrics.SENT.total},
        gauges={
            "connections": lambda: len(gateway.hub.connections),
            "outbox_bytes": outbox_bytes,
            "slow_closes": lambda: metrics.value_of(metrics.SLOW_CLOSES),
            "resyncs": lambda: metrics.value_of(metrics.RESYNCS),
            "journal_dropped": lambda: metrics.value_of(metrics.JOURNAL_DROPPED),
        },
    )


def application(gateway: Gateway, settings: GatewaySettings) -> web.Application:
    """The routes. Assets and pages come last, so that nothing of theirs can hide an endpoint."""
    outermost = guard(gateway.edge, gateway.sessions, Heard(gateway.journal))
    app = web.Application(middlewares=[outermost], client_max_size=MAX_PAYLOAD_BYTES)
    app.on_response_prepare.append(secure_headers(gateway.edge))
    gateway.sockets.attach(app)
    gateway.account.add_routes(app)
    Documents(gateway.relay.manifests, gateway.edge).add_routes(app)
    Api(gateway.relay, gateway.sessions, gateway.uploads).add_routes(app)
    setup_assets(app, frontend=FRONTEND)
    setup_static_files(app, uploads=settings.uploads)
    setup_pages(app, frontend=FRONTEND, visitor=gateway.account.visitor)
    return app


async def follow_bus(gateway: Gateway, up: Connected) -> None:
    """Listen to the gateway's inbox and to what all gateways are told; and mind gaps."""

    def on_control(batch: list[Envelope]) -> None:
        heed_each(batch, lambda told: heed(gateway, told), gateway.announcer.renew)

    def on_identity(batch: list[Envelope]) -> None:
        heed_each(batch, lambda told: heed_auth(gateway, told), gateway.sessions.refresh)

    def on_gap() -> None:
        gateway.relay.refresh()
        gateway.sessions.refresh()
        gateway.announcer.renew()
        metrics.RESYNCS.inc()
        gateway.hub.tell_all(contract.RESYNC.name, b"{}")
        for connection in gateway.hub.connections.values():
            gateway.relay.tell_of_gap(connection)

    await up.bus.listen(up.bus.inbox, gateway.hub.accept)
    await up.bus.listen(up.bus.channels.control, on_control)
    await up.bus.listen(up.bus.channels.identity, on_identity)
    up.link.on_gap(on_gap)
    gateway.relay.refresh()


def heed_each(batch: list[Envelope], heed: Callable[[Tell], None], ask: Callable[[], None]) -> None:
    """One that cannot be read takes none of its batch along; what it may have said is asked for instead."""
    for envelope in batch:
        if isinstance(envelope, Tell):
            try:
                heed(envelope)
            except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
                log.warning("what gateways are told was not understood", told=envelope.event, fault=str(fault))
                ask()


def heed(gateway: Gateway, told: Tell) -> None:
    """What any service may tell gateways: it announces itself, or calls the roll."""
    if told.event == ANNOUNCED:
        gateway.relay.refresh()
    elif told.event == ROLL_CALL:
        gateway.announcer.heed(told.payload)


def heed_auth(gateway: Gateway, told: Tell) -> None:
    """What auth alone may tell them: keys or users are others now, sessions are over."""
    if told.event == auth.KEYS_CHANGED.name:
        gateway.sessions.refresh()
    elif told.event == auth.USER_CHANGED.name:
        user = msgspec.json.decode(told.payload, type=auth.User)
        gateway.sessions.forget(user.id)
        gateway.hub.change_kind(user.id, user.kind)
    elif told.event == auth.SESSIONS_ENDED.name:
        ended = msgspec.json.decode(told.payload, type=auth.SessionsEnded)
        sessions = frozenset(ended.sessions)
        gateway.sessions.end(sessions)
        gateway.hub.end_sessions(sessions, ended.reason)


def greet_all(gateway: Gateway) -> None:
    """A service that is new here is followed by nobody, and has not greeted anybody yet."""
    gateway.hub.join_all(topic.name for topic in gateway.relay.manifests.topics_for_everyone)
    for connection in gateway.hub.connections.values():
        gateway.relay.greet(connection)


def _now() -> datetime:
    return datetime.now(UTC)
