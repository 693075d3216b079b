"""What auth decides without any I/O: whether an account may be made, who is an admin, how long a session lives.

Times are whole milliseconds since 1970, as the store keeps them.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pulso import times
from pulso.errors import ServiceError
from services.auth import names
from services.auth.contract import Registration, UserKind

SECOND_MS: Final = 1000
DAY_MS: Final = 24 * 3600 * SECOND_MS

MAX_EMAIL_CHARS: Final = 254
MAX_LOCAL_CHARS: Final = 64
MIN_PASSWORD_CHARS: Final = 8
MAX_PASSWORD_BYTES: Final = 1024

SEEN_EVERY_MS: Final = 60 * SECOND_MS
"""A session's last use is written down at most this often."""

TRUST_MARGIN_MS: Final = 3600 * SECOND_MS
"""An ended session is told of this much longer than its last token lives: clocks differ, or are set wrong."""

_GUEST_LETTERS: Final = "23456789ACDEFGHJKLMNPQRTUVWXYZ"  # none that is easily taken for another


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A registration that keeps all rules, in the form that is stored."""

    name: str
    username: str
    username_key: str
    email: str
    email_key: str


def new_account(wanted: Registration) -> NewAccount:
    """Raises `ServiceError`: `too_large`, or a `bad_request` that names everything wrong at once."""
    check_size(wanted.password)
    faults: list[str] = []

    def checked(rule: Callable[[str], str], text: str) -> str:
        try:
            return rule(text)
        except ValueError as fault:
            faults.append(str(fault))
            return ""

    name = checked(names.display_name, wanted.name)
    username = checked(names.username, wanted.username)
    email = checked(email_address, wanted.email)
    checked(password, wanted.password)
    if faults:
        raise ServiceError("bad_request", " ".join(faults))
    return NewAccount(name, username, names.username_key(username), email, email_key(email))


def email_address(text: str) -> str:
    """An address that could exist; only a letter to it could prove more. Raises ValueError."""
    address = unicodedata.normalize("NFC", text.strip())
    local, at, domain = address.rpartition("@")
    if (
        not at
        or "@" in local
        or not 0 < len(local) <= MAX_LOCAL_CHARS
        or max(len(address), len(email_key(address))) > MAX_EMAIL_CHARS
        or not address.isprintable()
        or any(map(str.isspace, address))
        or "." not in domain
        or not all(domain.split("."))
    ):
        raise ValueError("The e-mail address must be a whole one, as in ana@example.com.")
    return address


def email_key(text: str) -> str:
    """The same for all spellings that count as one address; defined for any text."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()


def password(text: str) -> str:
    """Any 8 characters or more. Raises ValueError."""
    if len(text) < MIN_PASSWORD_CHARS:
        raise ValueError("The password must have at least 8 characters.")
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("The password has a character that cannot be stored.")
    return text


def check_size(password: str) -> None:
    """Raises `ServiceError("too_large")`, and no hash is spent on the password, whosever it may be."""
    if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
        raise ServiceError("too_large", f"The password must have at most {MAX_PASSWORD_BYTES} bytes.")


def is_email(login: str) -> bool:
    """What somebody logs in with is an address where it has an @: no username has one."""
    return "@" in login


def guest_name(wanted: str | None) -> str:
    """The name that a guest chose, or a made-up one: `Guest 7KQ2`. Raises `ServiceError("bad_request")`."""
    if wanted is None or not wanted.strip():
        return "Guest " + "".join(secrets.choice(_GUEST_LETTERS) for _ in range(4))
    try:
        return names.display_name(wanted)
    except ValueError as fault:
        raise ServiceError("bad_request", str(fault)) from None


def kind_of(*, promoted: bool, username_key: str, admins: frozenset[str]) -> UserKind:
    """An admin is a user who was promoted, or whose username the settings name."""
    return "admin" if promoted or username_key in admins else "user"


def is_live(*, ended_at: int | None, last_seen_at: int, now: int, lifetime_ms: int) -> bool:
    """A session ends when it is ended, or when it was not used for its lifetime."""
    return ended_at is None and now < last_seen_at + lifetime_ms


def milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def iso(time_ms: int) -> str:
    """`2026-01-31T12:00:00.000Z`"""
    return times.iso(datetime.fromtimestamp(time_ms / 1000, UTC))
