"""What each party may do in Redis, as the rules of an ACL: derived from the names that the code itself uses.

A `User` is a list of `Grant`s: some commands, on some keys, on some channels. Redis 7 has them as they are (a
selector for each), so that a service may publish to all gateways and subscribe to none. Redis 6 knows one set of
commands, keys and channels for a user: there the grants are put together, and whoever may publish on a channel may
also subscribe to it.

Nobody is given a command that ends, empties, copies, reconfigures or watches over Redis, or that lists its keys,
channels or clients; and the user `default` is off.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pulso import lease
from pulso.channels import Channels
from pulso.keys import Keys
from pulso.push import USER_TOPIC

CLI: Final = "cli"
"""The party that an operator's commands are."""

# Of these no plain service may be called: their channels, or their users, are somebody else's.
RESERVED: Final = frozenset({"default", "health", "server", USER_TOPIC.rstrip("."), CLI})
_SERVICE_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

SELECTORS_SINCE: Final = 7
"""The major version of Redis, or Valkey, that knows selectors."""

SUBSCRIBE: Final = frozenset({"subscribe", "unsubscribe"})
PUBLISH: Final = frozenset({"publish"})


@dataclass(frozen=True, slots=True)
class Grant:
    """These commands, on these keys and these channels alone. Subcommands are written `xgroup|create`."""

    commands: frozenset[str]
    keys: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def rules(self) -> list[str]:
        return [
            *(f"+{command}" for command in sorted(self.commands)),
            *(f"~{key}" for key in self.keys),
            *(f"&{channel}" for channel in self.channels),
        ]


@dataclass(frozen=True, slots=True)
class User:
    name: str
    grants: tuple[Grant, ...]


def plain_service(service: str, prefix: str) -> User:
    """What every service needs, and one that nobody has heard of is given. Raises ValueError for its name."""
    if service in RESERVED or not _SERVICE_NAME.fullmatch(service):
        raise ValueError(f"{service!r} is no name for a service: lower case, digits and _, none of Pulso's own")
    channels, keys = Channels(prefix), Keys(prefix)
    inboxes, files = channels.service(service, "*"), channels.files(service, "*")
    return User(
        service,
        (
            Grant(frozenset({"ping"})),
            Grant(SUBSCRIBE, channels=(inboxes, files, channels.report_now)),
            Grant(
                PUBLISH,
                channels=(
                    inboxes,  # its probes, and what shards tell one another
                    channels.gateway("*"),
                    channels.topic(f"{service}.*"),
                    channels.topic(f"{USER_TOPIC}*"),
                    channels.control,
                    channels.reports,
                    channels.instance(CLI, "*"),
                ),
            ),
            Grant(lease.COMMANDS, keys=(keys.lease(service, "*"), keys.instances(service))),
            Grant(frozenset({"set"}), keys=(keys.manifest(service),)),
            Grant(frozenset({"sadd"}), keys=(keys.services,)),
        ),
    )


def whole(name: str, prefix: str, users: Iterable[User], *, more: frozenset[str] = frozenset()) -> User:
    """One who may do all that these may together, and these commands: for processes that are a whole Pulso."""
    commands = more.union(command for user in users for grant in user.grants for command in grant.commands)
    return User(name, (Grant(commands, (f"{prefix}:*",), (f"{prefix}:*",)),))


def acl_file(users: Iterable[User], passwords: Mapping[str, str], *, has_selectors: bool) -> str:
    """The lines of Redis' `aclfile`: these users and no others; one without a password needs none.

    It holds the digests of the passwords alone. Nobody can be `default`, which is off and has no password. It has
    all rights because Redis 7 reads its own append-only file as that user, and leaves out what it may not do: all
    that a script or a transaction has changed.
    """
    lines = {"default": "user default reset off ~* &* +@all"}
    for user in users:
        lines[user.name] = " ".join(_line(user, passwords.get(user.name), has_selectors=has_selectors))
    return "".join(f"{line}\n" for line in lines.values())


def _line(user: User, password: str | None, *, has_selectors: bool) -> list[str]:
    secret = "nopass" if password is None else f"#{hashlib.sha256(password.encode()).hexdigest()}"
    words = ["user", user.name, "reset", "resetchannels", "on", secret]
    if has_selectors:
        return [*words, *(f"({' '.join(grant.rules())})" for grant in user.grants)]
    return [*words, *(rule for grant in user.grants for rule in grant.rules())]
