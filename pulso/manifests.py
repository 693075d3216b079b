"""Which services there are: the manifests that they write to Redis and that gateways read.

Each service has a key of its own, which Redis lets nobody else write: it can say nothing of another one.
A manifest stays when its service goes: its endpoints are then known, and answered `unavailable`. So it is also
where Redis has come back empty, until the services have written theirs again: whoever was told `not_found` by then
would give up what is only to be tried again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from pulso.bus import Bus
from pulso.contract import shard_of
from pulso.keys import Keys
from pulso.manifest import EndpointManifest, Manifest, TopicManifest
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown

ANNOUNCED: Final = "pulso:announced"
"""The event on the control channel: the named service has begun to serve, or its manifest is another."""

log = structlog.get_logger(__name__)


class Announced(msgspec.Struct, frozen=True):
    service: str


async def announce(link: RedisLink, bus: Bus, manifest: Manifest) -> bool:
    """Write the manifest and tell the gateways; False where Redis is away."""
    keys = Keys(bus.channels.prefix)
    try:
        await link.command("SET", keys.manifest(manifest.service), msgspec.json.encode(manifest))
        await link.command("SADD", keys.services, manifest.service)
    except LinkDown:
        return False
    await bus.announce(bus.channels.control, ANNOUNCED, msgspec.json.encode(Announced(manifest.service)))
    return True


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint, and the channels on which the shards of its service take calls."""

    endpoint: EndpointManifest
    channels: tuple[str, ...]

    def channel_for(self, user: str) -> str:
        channels = self.channels
        return channels[0] if len(channels) == 1 else channels[shard_of(user, len(channels))]


class Manifests:
    """All manifests that were ever read, each as it was when last read."""

    def __init__(self) -> None:
        self.services: dict[str, Manifest] = {}
        self.routes: dict[str, Route] = {}
        self.on_connect: tuple[Route, ...] = ()
        self.on_gap: tuple[Route, ...] = ()
        self.topics_for_everyone: tuple[TopicManifest, ...] = ()

    async def read(self, link: RedisLink, bus: Bus) -> None:
        """Raises `LinkDown`. A manifest that is not understood, or speaks for another service, is passed over."""
        found: list[Manifest] = []
        for name, data in (await _written(link, Keys(bus.channels.prefix))).items():
            try:
                found.append(_decoded(name, data))
            except (msgspec.MsgspecError, ValueError) as fault:
                log.warning("manifest not understood", service=name, fault=str(fault))
        self.learn(found, bus)

    def learn(self, found: Iterable[Manifest], bus: Bus) -> None:
        """What was known of these services before is forgotten; the others stay."""
        services = self.services = {**self.services, **{manifest.service: manifest for manifest in found}}
        self.routes = {
            endpoint.name: Route(endpoint, bus.channels.shards(manifest.service, manifest.shards))
            for manifest in services.values()
            for endpoint in manifest.endpoints
        }
        self.on_connect = tuple(route for route in self.routes.values() if route.endpoint.on_connect)
        self.on_gap = tuple(route for route in self.routes.values() if route.endpoint.on_gap)
        self.topics_for_everyone = tuple(
            topic for manifest in services.values() for topic in manifest.topics if topic.everyone
        )


async def _written(link: RedisLink, keys: Keys) -> dict[str, bytes]:
    """What each service has written."""
    names = sorted(name.decode(errors="replace") for name in await link.command("SMEMBERS", keys.services))
    if not names:
        return {}
    found = await link.command("MGET", *map(keys.manifest, names))
    return {name: data for name, data in zip(names, found, strict=True) if data is not None}


def _decoded(service: str, data: bytes) -> Manifest:
    """Raises ValueError for a manifest that speaks for another service."""
    manifest = msgspec.json.decode(data, type=Manifest)
    foreign = [e.name for e in manifest.endpoints if not e.name.startswith(f"{service}:")]
    foreign += [t.name for t in manifest.topics if not t.name.startswith(f"{service}.")]
    if manifest.service != service or foreign:
        raise ValueError(f"it speaks for another service: {manifest.service} {' '.join(foreign)}".strip())
    return manifest
