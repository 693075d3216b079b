"""What Redis says of itself."""

from __future__ import annotations

from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.ops.contract import RedisFigures


async def redis_figures(link: RedisLink) -> RedisFigures | None:
    """None where it does not answer, or not with what INFO answers."""
    try:
        return await asked(link)
    except LinkDown:
        return None


async def asked(link: RedisLink) -> RedisFigures:
    """Raises `LinkDown`, which says why, where it does not answer so."""
    answer = await link.command("INFO")
    if not isinstance(answer, bytes):
        raise LinkDown("INFO was not answered with a text")
    return parsed(answer.decode(errors="replace"))


def parsed(info: str) -> RedisFigures:
    """INFO is lines of `name:value` under headings; a managed Redis may leave out any of them."""
    values = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)

    def number(name: str) -> int:
        text = values.get(name, "")
        return int(text) if text.isdecimal() else 0

    return RedisFigures(
        version=values.get("valkey_version") or values.get("redis_version", "?"),
        memory_bytes=number("used_memory"),
        max_memory_bytes=number("maxmemory"),
        clients=number("connected_clients"),
        per_s=float(number("instantaneous_ops_per_sec")),
        up_s=number("uptime_in_seconds"),
        eviction=values.get("maxmemory_policy", ""),
    )
