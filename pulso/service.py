"""Running a service: its leases, its shards, its manifest.

`run_process` is what `python -m services.<name>` does; `serve` is the part of it that `pulso up` runs for each
service inside one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import structlog

from pulso import log, manifests, metrics
from pulso.contract import manifest_of
from pulso.lease import Leases, redis_client
from pulso.message import Envelope
from pulso.party import NO_REDIS, before, connected, running
from pulso.probes import OK, STANDBY, Health, ops_server
from pulso.process import faults_exit, load_or_exit, run_until_signal
from pulso.push import Push
from pulso.settings import KitSettings
from pulso.shard import Context, Service, Shard, check_split

S = TypeVar("S")

ANNOUNCE_AGAIN_S: Final = 0.5

logger = structlog.get_logger(__name__)


async def serve(service: Service[Any], kit: KitSettings, health: Health, stop: asyncio.Event) -> None:
    """Run one instance of a service until `stop`; then drain and give back what it held."""
    name = service.contract.service
    shards: dict[int, Shard] = {}
    health.watch(f"{name}.bus", lambda: NO_REDIS)
    async with (
        redis_client(kit.redis_url, password=kit.redis_password) as redis,
        connected(
            kit, name=name, inbox=lambda channels, instance: channels.instance(name, instance), stop=stop
        ) as up,
    ):
        link, bus = up.link, up.bus
        health.watch(f"{name}.bus", lambda: OK if link.is_up else NO_REDIS)
        health.watch(f"{name}.shards", lambda: OK if shards else STANDBY)
        await before(stop, bus.listen(bus.inbox, lambda batch: _expect_nothing_more(bus.take_replies(batch))))
        if stop.is_set():
            return
        manifest = manifest_of(service.contract, service.shards)
        leases = Leases(redis, prefix=kit.redis_prefix, service=name, shards=service.shards, instance=up.instance)
        announcements = asyncio.Event()
        link.on_gap(announcements.set)

        async def begin(shard: int) -> None:
            context = Context(shard, service.shards, kit.data, bus, Push(bus))
            run = Shard(service, context, lambda: leases.report_broken(shard))
            try:
                await run.begin()
            except BaseException:
                await run.end()
                raise
            shards[shard] = run
            metrics.SHARDS_ACTIVE.labels(name).set(len(shards))
            announcements.set()

        async def end(shard: int) -> None:
            run = shards.pop(shard, None)
            metrics.SHARDS_ACTIVE.labels(name).set(len(shards))
            if run is not None:
                await run.end()

        async def announce() -> None:
            while True:
                await announcements.wait()
                announcements.clear()
                if shards and not await manifests.announce(link, bus, manifest):
                    await asyncio.sleep(ANNOUNCE_AGAIN_S)
                    announcements.set()

        async with running(announce()):
            await leases.run(begin, end, stop)
        await bus.settle()  # the last replies are still to be written


def run_process(
    build: Callable[[S], Service[Any]], kind: type[S], environ: Mapping[str, str], *, known: Iterable[type]
) -> None:
    """The whole life of a service's own process. Exits 78 where settings are wrong, all faults listed."""
    kit, settings = load_or_exit((KitSettings, kind), environ, known=known)
    log.configure(level=kit.log_level, form=kit.log_format)
    service = build(settings)
    with faults_exit():
        check_split(kit.data, service.contract.service, service.shards)

    async def main(stop: asyncio.Event) -> None:
        health = Health()
        async with ops_server(health, host=kit.ops_host, port=kit.ops_port):
            await serve(service, kit, health, stop)

    run_until_signal(main)


def _expect_nothing_more(rest: list[Envelope]) -> None:
    if rest:
        logger.warning("not for an instance's inbox", envelopes=len(rest))
