"""Which services there are: the manifests that they write to Redis and that gateways read.

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
from pulso.contract import EndpointManifest, Manifest, TopicManifest, shard_of
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown

ANNOUNCED: Final = "pulso:announced"
"""The event on the control channel: the named service has begun to serve, or its manifest is another."""

log = structlog.get_logger(__name__)


class Announced(msgspec.Struct, frozen=True):
    service: str


async def announce(link: RedisLink, bus: Bus, manifest: Manifest) -> bool:
    """Write the manifest and tell the gateways; False where Redis is away."""
    try:
        await link.command("HSET", _key(bus), manifest.service, msgspec.json.encode(manifest))
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
        """Raises `LinkDown`. A manifest that cannot be decoded is passed over."""
        flat = await link.command("HGETALL", _key(bus))
        found: list[Manifest] = []
        for name, data in zip(flat[::2], flat[1::2], strict=True):
            try:
                manifest = msgspec.json.decode(data, type=Manifest)
            except msgspec.MsgspecError as fault:
                log.warning("manifest not understood", service=name.decode(), fault=str(fault))
                continue
            found.append(manifest)
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


def _key(bus: Bus) -> str:
    return f"{bus.channels.prefix}:manifests"
