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
from pulso.lease import Leases, redis_client
from pulso.manifest import manifest_of
from pulso.message import Envelope
from pulso.party import NO_REDIS, Connected, before, connected, running
from pulso.probes import OK, STANDBY, Health, ops_server
from pulso.process import faults_exit, load_or_exit, run_until_signal
from pulso.push import Push
from pulso.reporter import Party, Reporter
from pulso.settings import KitSettings
from pulso.shard import Context, Service, Shard, check_folder, check_split

S = TypeVar("S")

ANNOUNCE_AGAIN_S: Final = 0.5
FAILED_FOR_S: Final = 10.0

logger = structlog.get_logger(__name__)


async def serve(service: Service[Any], kit: KitSettings, health: Health, stop: asyncio.Event) -> None:
    """Run one instance of a service until `stop`; then drain and give back what it held."""
    name = service.contract.service
    health.watch(f"{name}.bus", lambda: NO_REDIS)
    async with (
        redis_client(kit.redis_url, username=kit.redis_username, password=kit.redis_password) as redis,
        connected(kit, name=name, inbox=lambda channels, own: channels.instance(name, own), stop=stop) as up,
    ):
        leases = Leases(
            redis,
            prefix=kit.redis_prefix,
            service=name,
            shards=service.shards,
            instance=up.instance,
            # Deaf, it would keep others from serving as long as Redis takes its commands.
            is_fit=lambda: up.link.is_up,
        )
        instance = _Instance(service, kit, up, leases)
        health.watch(f"{name}.bus", lambda: OK if up.link.is_up else NO_REDIS)
        health.watch(f"{name}.shards", instance.check)
        await before(stop, up.bus.listen(up.bus.inbox, instance.accept))
        if stop.is_set():
            return
        reporter = Reporter(up.bus, instance.party(health))
        instance.on_change = reporter.report_soon
        async with running(instance.announce(), reporter.run()):
            await leases.run(instance.begin, instance.end, stop)
        await up.bus.settle()  # the last replies are still to be written


class _Instance:
    """One instance of a service: the shards that it serves now, and its manifest."""

    def __init__(self, service: Service[Any], kit: KitSettings, up: Connected, leases: Leases) -> None:
        self._service = service
        self._data = kit.data
        self._up = up
        self._leases = leases
        self._manifest = manifest_of(service.contract, service.shards)
        self._count = metrics.SHARDS_ACTIVE.labels(service.contract.service)
        self._announce = asyncio.Event()
        self._is_known = False
        self._failed_at = float("-inf")
        self._starting: set[Shard] = set()
        self.shards: dict[int, Shard] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called when shards have come or gone."""
        up.link.on_gap(self._announce.set)

    def accept(self, batch: list[Envelope]) -> None:
        """To an instance's own inbox come replies alone."""
        if rest := self._up.bus.take_replies(batch):
            logger.warning("not for an instance's inbox", envelopes=len(rest))

    def check(self) -> str:
        """Standing by is fine as long as it could serve: a shard that lately did not start says otherwise."""
        troubles = filter(None, (shard.trouble for shard in (*self._starting, *self.shards.values())))
        if trouble := next(troubles, ""):
            return trouble
        if self.shards:  # ready for whom, before a gateway can know of it?
            return OK if self._is_known else "not announced yet"
        failed_s = asyncio.get_running_loop().time() - self._failed_at
        return STANDBY if failed_s > FAILED_FOR_S else "a shard does not start: see the log"

    def party(self, health: Health) -> Party:
        """How this instance reports of itself."""
        name = self._service.contract.service
        return Party(
            name,
            self._up.instance,
            health,
            self._data,
            metrics.CALL_SECONDS,
            metrics.CALLS,
            belongs=lambda endpoint: endpoint.partition(":")[0] == name,
            gauges={"in_hand": self.in_hand},
            shards=lambda: tuple(sorted(self.shards)),
            shard_count=self._service.shards,
        )

    def in_hand(self) -> int:
        """Calls taken and not answered yet; asked for with each report, and then a metric, too."""
        count = sum(shard.in_hand for shard in self.shards.values())
        metrics.CALLS_IN_HAND.labels(self._service.contract.service).set(count)
        return count

    async def begin(self, number: int) -> None:
        bus = self._up.bus
        context = Context(number, self._service.shards, self._data, bus, Push(bus))
        shard = Shard(self._service, context, lambda: self._broke(number))
        self._starting.add(shard)
        try:
            await shard.begin()
        except BaseException:
            self._note_failure()
            await shard.end()
            raise
        finally:
            self._starting.discard(shard)
        self.shards[number] = shard
        self._shards_changed()
        self._announce.set()

    async def end(self, number: int) -> None:
        shard = self.shards.pop(number, None)
        self._shards_changed()
        if shard is not None:
            await shard.end()

    def _broke(self, number: int) -> None:
        self._note_failure()
        self._leases.report_broken(number)

    def _note_failure(self) -> None:
        self._failed_at = asyncio.get_running_loop().time()

    def _shards_changed(self) -> None:
        self._count.set(len(self.shards))
        self.on_change()

    async def announce(self) -> None:
        """Tell the gateways whenever there is something to tell, until cancelled."""
        while True:
            await self._announce.wait()
            self._announce.clear()
            if not self.shards:
                continue
            if await manifests.announce(self._up.link, self._up.bus, self._manifest):
                self._is_known = True
            else:
                await asyncio.sleep(ANNOUNCE_AGAIN_S)
                self._announce.set()


def run_process(
    build: Callable[[S], Service[Any]], kind: type[S], environ: Mapping[str, str], *, known: Iterable[type]
) -> None:
    """The whole life of a service's own process. Exits 78 where settings are wrong, all faults listed."""
    kit, settings = load_or_exit((KitSettings, kind), environ, known=known)
    log.configure(level=kit.log_level, form=kit.log_format)
    service = build(settings)
    with faults_exit():
        check_folder(kit.data)
        check_split(kit.data, service.contract.service, service.shards)

    async def main(stop: asyncio.Event) -> None:
        health = Health()
        async with ops_server(health, host=kit.ops_host, port=kit.ops_port):
            await serve(service, kit, health, stop)

    run_until_signal(main)
