"""The names of the keys that parties keep in Redis, under one prefix."""

from __future__ import annotations


class Keys:
    """The names of the keys, under one prefix. `"*"` for a part makes the pattern of all of them."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.services = f"{prefix}:services"
        """The set of the services that have ever written a manifest."""

    def manifest(self, service: str) -> str:
        return f"{self.prefix}:manifest:{service}"

    def lease(self, service: str, shard: int | str) -> str:
        return f"{self.prefix}:lease:{service}:{shard}"

    def instances(self, service: str) -> str:
        return f"{self.prefix}:instances:{service}"

    def attempts(self, kind: str, subject: str) -> str:
        """Counted attempts of a kind (`services.gateway.limits`)."""
        return f"{self.prefix}:limit:{kind}:{subject}"
