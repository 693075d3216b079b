"""Who connects to Redis, and what each may do there: `pulso redis-users` and `pulso up` write their ACL from it.

A service that is not named here has what every service needs. One that needs more, such as the feed of
connections, is given it in `_MORE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from pulso.channels import Channels
from pulso.keys import Keys
from pulso.permissions import CLI, PUBLISH, SUBSCRIBE, Grant, User, plain_service, whole
from pulso.push import USER_TOPIC
from services.gateway import limits
from services.gateway.contract import JOURNAL_COMMITTED, JOURNAL_STREAM
from services.numbers.board import PARTS_TOPIC

GATEWAY: Final = "gateway"
HEALTH: Final = "health"
"""Who asks Redis for a sign of life, and for nothing else."""
NO_SERVICES: Final = frozenset({GATEWAY, CLI, HEALTH})
SERVICES: Final = ("auth", "chat", "clock", "journal", "numbers", "ops", "presence", "sales")


def users_of(prefix: str, services: Iterable[str] = SERVICES) -> tuple[User, ...]:
    """The users of a Pulso with these services. Raises ValueError for what is no name for a service."""
    return (
        _gateway(prefix),
        *(service_of(name, prefix) for name in services),
        _cli(prefix),
        User(HEALTH, (Grant(frozenset({"ping"})),)),
    )


def service_of(name: str, prefix: str) -> User:
    """Raises ValueError for what is no name for a service."""
    plain = plain_service(name, prefix)
    more = _MORE.get(name)
    return plain if more is None else replace(plain, grants=plain.grants + more(Channels(prefix), prefix))


_REPLAYED: Final = frozenset({"del", "pexpireat", "unlink"})
"""What scripts' changes are turned into in the append-only file, besides the commands of the scripts themselves.

Redis 7 reads that file as the user `default`, and leaves out of a script's changes what `default` may not do.
"""


def all_in_one(name: str, prefix: str) -> User:
    """One for a process that is a whole Pulso, and for its owner's tools; as `default`, for Redis itself, too."""
    return whole(name, prefix, users_of(prefix), more=_REPLAYED)


def _gateway(prefix: str) -> User:
    channels, keys = Channels(prefix), Keys(prefix)
    return User(
        GATEWAY,
        (
            Grant(frozenset({"ping"})),
            Grant(
                SUBSCRIBE,
                channels=(
                    channels.gateway("*"),
                    channels.control,
                    channels.identity,
                    channels.topic("*"),
                    channels.report_now,
                ),
            ),
            Grant(
                PUBLISH,
                channels=(
                    channels.service("*", "*"),
                    channels.gateway("*"),
                    channels.topic(f"{USER_TOPIC}*"),
                    channels.connections,
                    channels.reports,
                ),
            ),
            Grant(limits.COMMANDS, keys=(keys.attempts("*", "*"),)),
            *_read_manifests(keys),
            Grant(frozenset({"xadd", "xrange"}), keys=(f"{prefix}:{JOURNAL_STREAM}",)),
            Grant(frozenset({"hget"}), keys=(f"{prefix}:{JOURNAL_COMMITTED}",)),
        ),
    )


def _cli(prefix: str) -> User:
    """`pulso status`, `backup` and `user`: they ask every shard for its files, and auth for a promotion."""
    channels, keys = Channels(prefix), Keys(prefix)
    own = channels.service(CLI, "*")
    return User(
        CLI,
        (
            Grant(frozenset({"info", "ping"})),
            Grant(SUBSCRIBE, channels=(own, channels.reports)),
            Grant(
                PUBLISH,
                channels=(own, channels.service("auth", 0), channels.files("*", "*"), channels.report_now),
            ),
            *_read_manifests(keys),
        ),
    )


def _read_manifests(keys: Keys) -> tuple[Grant, ...]:
    return (
        Grant(frozenset({"smembers"}), keys=(keys.services,)),
        Grant(frozenset({"mget"}), keys=(keys.manifest("*"),)),
    )


def _auth(channels: Channels, _prefix: str) -> tuple[Grant, ...]:
    return (Grant(PUBLISH, channels=(channels.identity,)),)


def _journal(_channels: Channels, prefix: str) -> tuple[Grant, ...]:
    return (
        Grant(frozenset({"xack", "xdel", "xgroup|create", "xreadgroup"}), keys=(f"{prefix}:{JOURNAL_STREAM}",)),
        Grant(frozenset({"hdel", "hset"}), keys=(f"{prefix}:{JOURNAL_COMMITTED}",)),
    )


def _numbers(channels: Channels, _prefix: str) -> tuple[Grant, ...]:
    return (Grant(SUBSCRIBE, channels=(channels.topic(PARTS_TOPIC),)),)


def _ops(channels: Channels, _prefix: str) -> tuple[Grant, ...]:
    return (
        Grant(frozenset({"info"})),
        Grant(SUBSCRIBE, channels=(channels.reports,)),
        Grant(PUBLISH, channels=(channels.report_now,)),
    )


def _follows_connections(channels: Channels, _prefix: str) -> tuple[Grant, ...]:
    """As `pulso.attendance` does."""
    return (Grant(SUBSCRIBE, channels=(channels.connections,)),)


_MORE: Final[dict[str, Callable[[Channels, str], tuple[Grant, ...]]]] = {
    "auth": _auth,
    "chat": _follows_connections,
    "journal": _journal,
    "numbers": _numbers,
    "ops": _ops,
    "presence": _follows_connections,
}
