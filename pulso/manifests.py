"""Which services there are: the manifests that they write to Redis and that gateways read.

A manifest stays when its service goes: its endpoints are then known, and answered `unavailable`.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from pulso.bus import Bus
from pulso.contract import EndpointManifest, Manifest, TopicManifest
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


class Manifests:
    """All manifests, as they were when last read."""

    def __init__(self) -> None:
        self.services: dict[str, Manifest] = {}
        self.endpoints: dict[str, tuple[EndpointManifest, Manifest]] = {}
        self.on_connect: tuple[tuple[EndpointManifest, Manifest], ...] = ()
        self.topics_for_everyone: tuple[TopicManifest, ...] = ()

    async def read(self, link: RedisLink, bus: Bus) -> None:
        """Raises `LinkDown`. A manifest that cannot be decoded is passed over."""
        flat = await link.command("HGETALL", _key(bus))
        services = {}
        for name, data in zip(flat[::2], flat[1::2], strict=True):
            try:
                manifest = msgspec.json.decode(data, type=Manifest)
            except msgspec.MsgspecError as fault:
                log.warning("manifest not understood", service=name.decode(), fault=str(fault))
                continue
            services[manifest.service] = manifest
        self.services = services
        self.endpoints = {
            endpoint.name: (endpoint, manifest)
            for manifest in services.values()
            for endpoint in manifest.endpoints
        }
        self.on_connect = tuple(found for found in self.endpoints.values() if found[0].on_connect)
        self.topics_for_everyone = tuple(
            topic for manifest in services.values() for topic in manifest.topics if topic.everyone
        )


def _key(bus: Bus) -> str:
    return f"{bus.channels.prefix}:manifests"
