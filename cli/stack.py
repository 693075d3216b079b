"""A whole Pulso on one machine: what runs, in which order it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from cli import settings
from cli.child import CannotStart, Child, Program, kept_running
from cli.data_folder import DataFolder
from cli.embedded_redis import new_passwords, redis_program
from cli.front_door import Front, answers, loopback, nginx_program
from cli.permissions import GATEWAY
from cli.ports import free_ports, require_free
from cli.settings import Settings
from pulso.probes import OK, Health, ops_server
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Service, check_split
from services.auth.__main__ import service as build_auth
from services.chat.__main__ import service as build_chat
from services.clock.__main__ import service as build_clock
from services.gateway.app import serve_gateway
from services.journal.__main__ import service as build_journal
from services.numbers.__main__ import service as build_numbers
from services.ops.__main__ import service as build_ops
from services.presence.__main__ import service as build_presence
from services.sales.__main__ import service as build_sales

Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]

STOPS_WITHIN_S: Final = 30.0
"""A gateway finishes what it was asked: `services.gateway.server.FINISH_WITHIN_S`."""
COMPLAIN_EVERY_S: Final = 10.0
LOOK_EVERY_S: Final = 0.05
FIRST_PAGE: Final = "/.well-known/jwks.json"
"""What must be answered for us to be ready: it comes from auth, through a gateway, through nginx."""

# What a gateway process is not to know, because only auth needs it.
_SECRETS_OF_AUTH: Final = ("pepper",)

log = structlog.get_logger(__name__)


def services_of(all_: Settings) -> tuple[Service[Any], ...]:
    """The services, in the order in which they start. A new one is added here."""
    return (
        build_auth(all_.auth),
        build_numbers(all_.numbers),
        build_clock(all_.kit),
        build_presence(all_.grace),
        build_sales(all_.sales),
        build_ops(all_.kit),
        build_chat(all_.chat),
        build_journal(all_.journal),
    )


def redis_passwords(all_: Settings) -> dict[str, str]:
    """Of the embedded Redis: one for whatever is started here, and the operator's."""
    return new_passwords(all_.kit.redis_prefix, [service.contract.service for service in services_of(all_)])


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: `environ` is what gateway processes are given, `gateways` how many; None for one in here.

    `passwords` are those of the embedded Redis' users; None where Redis is another one.
    """

    settings: Settings
    environ: Mapping[str, str]
    folder: DataFolder
    passwords: Mapping[str, str] | None
    gateways: int | None

    def kit_of(self, user: str) -> KitSettings:
        """The kit's settings for one part, who signs in to an embedded Redis as itself."""
        kit = self.settings.kit
        if self.passwords is None:
            return kit
        return replace(kit, redis_username=user, redis_password=self.passwords[user])


@contextlib.asynccontextmanager
async def running_stack(plan: Plan, on_failed: Callable[[], None]) -> AsyncIterator[Health]:
    """Run all of it meanwhile: Redis first and last, then the services, then the gateways, then nginx.

    Raises `CannotStart` where a program does not start. `on_failed` is called where a part ends by itself.
    """
    all_, health = plan.settings, Health()
    health.watch("start", lambda: "starting")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(ops_server(health, host=all_.kit.ops_host, port=all_.kit.ops_port))
        if plan.passwords is not None:
            redis = redis_program(plan.folder, all_.kit.redis_prefix, plan.passwords)
            children = await stack.enter_async_context(kept_running(redis))
            _watch(health, children)
        for service in services_of(all_):
            run = functools.partial(serve, service, plan.kit_of(service.contract.service), health)
            await stack.enter_async_context(_part(service.contract.service, run, on_failed))
        if plan.gateways:
            await _start_gateways(stack, plan, plan.gateways, health)
        else:
            run = functools.partial(serve_gateway, all_.gateway, plan.kit_of(GATEWAY), health)
            await stack.enter_async_context(_part("gateway", run, on_failed))
        health.watch("start", lambda: OK)
        yield health
        health.watch("start", lambda: "stopping")


async def until_ready(plan: Plan, health: Health) -> None:
    """Returns once everything is; says from time to time what it still waits for."""
    loop = asyncio.get_running_loop()
    complain_at = loop.time() + COMPLAIN_EVERY_S
    edge = plan.settings.gateway
    while health.status() != "ready" or not await answers(
        loopback(edge.host), edge.port, FIRST_PAGE, wanted=(200,)
    ):
        await asyncio.sleep(LOOK_EVERY_S)
        if loop.time() > complain_at:
            log.warning("not ready yet", waiting_for=_wrong(health))
            complain_at += COMPLAIN_EVERY_S


def require_free_ports(plan: Plan) -> None:
    """Before anything runs. Raises `CannotStart`."""
    kit, edge = plan.settings.kit, plan.settings.gateway
    require_free(edge.host, edge.port, flag="--port")
    if kit.ops_port:
        ops_ports = range(kit.ops_port, kit.ops_port + (plan.gateways or 0) + 1)
        if edge.port in ops_ports:
            raise CannotStart(f"Port {edge.port} would be --port and an ops port. Choose another --ops-port.")
        for port in ops_ports:
            require_free(kit.ops_host, port, flag="--ops-port")


def require_same_shards(plan: Plan) -> None:
    """Raises `ConfigFaults` where the data folder is split into other shards than the settings say."""
    for service in services_of(plan.settings):
        check_split(plan.folder.path, service.contract.service, service.shards)


async def _start_gateways(stack: contextlib.AsyncExitStack, plan: Plan, count: int, health: Health) -> None:
    all_ = plan.settings
    ports, ops_ports = free_ports(count), free_ports(count)
    if all_.kit.ops_port:
        ops_ports = [all_.kit.ops_port + number for number in range(1, count + 1)]
    gateways = [
        _gateway_program(plan, number, port, ops_port)
        for number, (port, ops_port) in enumerate(zip(ports, ops_ports, strict=True), start=1)
    ]
    _watch(health, await stack.enter_async_context(kept_running(*gateways)))
    front = Front(
        host=all_.gateway.host,
        port=all_.gateway.port,
        gateways=tuple(ports),
        uploads=all_.gateway.uploads,
        upload_mb=all_.chat.chat_file_mb * all_.chat.chat_message_files,
        trusted_proxies=all_.gateway.trusted_proxies,
    )
    _watch(health, await stack.enter_async_context(kept_running(nginx_program(plan.folder, front))))


def _gateway_program(plan: Plan, number: int, port: int, ops_port: int) -> Program:
    kit = plan.kit_of(GATEWAY)
    environ = settings.with_values(
        settings.without(plan.environ, *_SECRETS_OF_AUTH),
        redis_url=kit.redis_url,
        redis_username=kit.redis_username,
        redis_password=kit.redis_password,
        data=kit.data,
        host="127.0.0.1",
        port=port,
        ops_port=ops_port,
        log_format=kit.log_format,
        trusted_proxies="127.0.0.1/32",  # our own nginx, which names the client
    )
    # Found also where Pulso was not installed but is run from its folder.
    environ["PYTHONPATH"] = ":".join(filter(None, (str(Path(__file__).parents[1]), environ.get("PYTHONPATH"))))
    return Program(
        name=f"gateway-{number}",
        arguments=(sys.executable, "-m", "services.gateway"),
        environ=environ,
        is_ready=lambda: answers(loopback(kit.ops_host), ops_port, "/readyz", wanted=(200,)),
        keep_open=(plan.folder.children_lock,),
        logged=False,
        # Nothing is left to drain for where the services and nginx are gone.
        when_orphaned=signal.SIGKILL,
        stops_within_s=STOPS_WITHIN_S,
    )


def _watch(health: Health, children: list[Child]) -> None:
    for child in children:
        health.watch(child.program.name, child.report)


@contextlib.asynccontextmanager
async def _part(name: str, run: Run, on_failed: Callable[[], None]) -> AsyncIterator[None]:
    """Run one part meanwhile; at the end it drains, for a bounded time.

    A part that fails does not cancel the others: all are to stop in order.
    """
    stop = asyncio.Event()
    task = asyncio.create_task(run(stop), name=name)

    def ended(task: asyncio.Task[None]) -> None:
        if stop.is_set() and task.cancelled():
            return
        fault = None if task.cancelled() else task.exception()
        if fault is not None or not stop.is_set():
            log.error("part failed", part=name, exc_info=fault)
            on_failed()

    task.add_done_callback(ended)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait((task,), timeout=STOPS_WITHIN_S)
        if not task.done():
            log.warning("part cancelled: it did not stop when asked", part=name)
            task.cancel()
            await asyncio.wait((task,), timeout=STOPS_WITHIN_S)


def _wrong(health: Health) -> dict[str, str]:
    return {name: answer for name, answer in health.report().items() if answer != OK}
