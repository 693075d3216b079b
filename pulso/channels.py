"""The names of the channels that parties on the bus publish and listen on."""

from __future__ import annotations


class Channels:
    """The names of the channels, under one prefix. `"*"` for a part makes the pattern of all of them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.control = f"{prefix}:control"
        """Where anybody tells the gateways: a service announces itself, or calls the roll of connections."""
        self.identity = f"{prefix}:identity"
        """Where auth tells the gateways, and nobody else may: keys, users and sessions are others now."""
        self.connections = f"{prefix}:connections"
        self.gateways = f"{prefix}:gw:"
        self.reports = f"{prefix}:reports"
        self.report_now = f"{prefix}:report-now"

    def service(self, service: str, shard: int | str) -> str:
        return f"{self.prefix}:svc:{service}:{shard}"

    def shards(self, service: str, shards: int) -> tuple[str, ...]:
        return tuple(self.service(service, shard) for shard in range(shards))

    def files(self, service: str, shard: int | str) -> str:
        """Where a shard is asked for copies of its files (`pulso.copies`)."""
        return f"{self.prefix}:files:{service}:{shard}"

    def instance(self, service: str, instance: str) -> str:
        return f"{self.prefix}:svc:{service}:@{instance}"

    def gateway(self, gateway: str) -> str:
        return self.gateways + gateway

    def topic(self, topic: str) -> str:
        return f"{self.prefix}:topic:{topic}"
