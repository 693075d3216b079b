"""Every PULSO_* setting of the product: one frozen class for each process that has some of its own.

The kit's own (`KitSettings`) come with them. `ALL` is what `pulso check`, the README's table and the search for
misspelt names go by.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pulso.config import at_least, between, required, setting
from pulso.settings import KitSettings


def _uploads() -> Any:
    """A field of every process that writes, serves or removes uploaded files."""
    return setting(
        Path("/tmp/pulso/uploads"),  # noqa: S108  # asked for
        "The folder of uploaded files.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What auth and the gateways must agree on."""

    guests: bool = setting(True, "Whether people may take part without an account.")
    token_seconds: int = setting(900, "How long an access token lives, in seconds.", check=between(1, 86_400))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings(IdentitySettings):
    pepper: str = required(
        "A secret of at least 32 characters in every password hash. Without it nobody can log in again.",
        check=lambda value: None if len(value) >= 32 else "must have at least 32 characters",
        secret=True,
    )
    admins: tuple[str, ...] = setting(
        (), "Usernames that are admins, separated by commas. Register them first: whoever has the name is one."
    )
    session_days: int = setting(30, "How long an unused sign-in lasts, in days.", check=between(1, 3650))
    key_days: int = setting(30, "After how many days a new key signs access tokens.", check=between(1, 3650))
    bcrypt_cost: int = setting(12, "The cost of a password hash.", check=between(4, 20))


@dataclass(frozen=True, slots=True)
class NumbersSettings:
    numbers_shards: int = setting(1, "Into how many shards the values are split.", check=between(1, 64))


@dataclass(frozen=True, slots=True)
class GraceSettings:
    """What all services that tell who leaves must agree on."""

    grace_seconds: int = setting(
        5, "How long somebody without any connection still counts as here, in seconds.", check=between(1, 300)
    )


@dataclass(frozen=True, slots=True)
class SalesSettings:
    sales_source: str = setting(
        "", "The JSON Lines file that sales are read from; sales.jsonl in the data folder where unset."
    )
    sales_generator: str = setting(
        "off",
        "Every how many seconds a made-up sale is written to the source; "
        "`pulso up` sets 1 where neither this nor the source is set.",
        check=lambda text: None if _seconds(text) is not None else "must be off, or seconds up to a day",
    )

    @property
    def generator_every_s(self) -> float:
        """0 where it is off."""
        return _seconds(self.sales_generator) or 0.0


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What programs sign in with that use a Pulso somewhere."""

    username: str = setting("", "`pulso client`, `pulso collect`: who signs in.")
    password: str = setting("", "`pulso client`, `pulso collect`: the password.", secret=True)
    token: str = setting("", "`pulso collect`: an access token, where there is no username.", secret=True)


def _rooms_complaint(rooms: tuple[str, ...]) -> str | None:
    """The name of a room is part of its topic's."""
    if not rooms or not all(len(room) <= 32 and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", room) for room in rooms):
        return "must be names of at most 32 letters a-z and digits, with single - between them"
    return "has a room twice" if len(set(rooms)) < len(rooms) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings(GraceSettings):
    uploads: Path = _uploads()
    chat_rooms: tuple[str, ...] = setting(
        ("sala-1", "sala-2", "sala-3"),
        "The chat rooms, separated by commas. One that is left out is closed; its messages are kept.",
        check=_rooms_complaint,
    )
    chat_file_mb: int = setting(25, "The largest file that may be uploaded, in MB.", check=between(1, 1024))
    chat_message_files: int = setting(10, "How many files a message may have.", check=between(1, 100))
    chat_user_mb: int = setting(
        1024, "How much a user may have uploaded, in MB; more is refused.", check=between(1, 1 << 20)
    )
    chat_file_days: int = setting(
        0, "After how many days a file of a message is removed; 0: never.", check=between(0, 36_500)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(IdentitySettings):
    host: str = setting("127.0.0.1", "The address that the gateway listens on.")
    port: int = setting(8080, "The port that the gateway listens on.", check=between(0, 65535))
    uploads: Path = _uploads()
    origins: tuple[str, ...] = setting(
        (),
        "Other origins whose pages may connect, separated by commas.",
        check=lambda origins: next(filter(None, map(_origin_complaint, origins)), None),
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Networks of the proxies whose X-Forwarded-For and -Proto are believed, separated by commas.",
        check=lambda networks: next(filter(None, map(_network_complaint, networks)), None),
    )
    journal: bool = setting(True, "Whether messages are kept in the log of all messages.")
    journal_spool_megabytes: int = setting(
        256,
        "Disk that a gateway gives to messages on their way to the log, in MiB; beyond, the oldest are dropped.",
        check=between(8, 1_000_000),
    )
    limit_connections_per_address: int = setting(
        1000, "Sockets from one address on a gateway; 0: no limit.", check=at_least(0)
    )
    limit_connections_per_user: int = setting(
        10, "Sockets of one user on a gateway; 0: no limit.", check=at_least(0)
    )
    limit_events_per_second: int = setting(
        20,
        "Events per second and socket, twice that in a burst; a hundred times as many close it. 0: no limit.",
        check=at_least(0),
    )
    limit_guests_per_minute: int = setting(
        60, "New guests per minute and address; 0: no limit.", check=at_least(0)
    )
    limit_logins_per_minute: int = setting(
        10, "Failed logins per minute, account and address; 0: no limit.", check=at_least(0)
    )
    limit_registrations_per_minute: int = setting(
        60, "Registrations per minute and address; 0: no limit.", check=at_least(0)
    )


def _seconds(text: str) -> float | None:
    """None for what is no pause that anybody could mean."""
    try:
        seconds = 0.0 if text.lower() == "off" else float(text)
    except ValueError:
        return None
    return seconds if seconds == 0 or 0.001 <= seconds <= 86_400 else None


def _origin_complaint(text: str) -> str | None:
    if re.fullmatch(r"https?://[^/?#@\s]+", text):
        return None
    return f"{text} is no origin: scheme and host alone, as in https://pulso.example"


def _network_complaint(text: str) -> str | None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return f"{text} is no network, as in 10.0.0.0/8"
    return None


@dataclass(frozen=True, slots=True)
class JournalSettings:
    journal_days: int = setting(
        30, "How long messages stay in the log of all messages, in days.", check=between(1, 3650)
    )
    journal_megabytes: int = setting(
        1024, "How large that log may become, in MiB; the oldest messages go first.", check=between(8, 10_000_000)
    )


ALL: Final = (
    KitSettings, GatewaySettings, AuthSettings, NumbersSettings, GraceSettings, SalesSettings, ClientSettings,
    ChatSettings, JournalSettings,
)  # fmt: skip
