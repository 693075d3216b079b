"""What auth's handlers work with, and how it is opened and closed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from pulso.contract import Event
from pulso.store import Store, open_store
from services.auth import rules
from services.auth.contract import SESSIONS_ENDED, Profile, SessionsEnded, User
from services.auth.keys import Keys, open_keys
from services.auth.names import username_key
from services.auth.passwords import Passwords
from services.auth.rows import Seen, SessionRow, UserRow
from services.auth.store import MIGRATIONS
from services.settings import AuthSettings

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Gateways(Protocol):
    """The way to all gateways (`pulso.push.Push`): returns once Redis has passed the event on."""

    async def to_gateways(self, event: Event[T], payload: T) -> int: ...


@dataclass(slots=True)
class Auth:
    """`seen` are uses of sessions that are still to be written down; losing them at a crash harms nobody."""

    store: Store
    settings: AuthSettings
    passwords: Passwords
    keys: Keys
    gateways: Gateways
    clock: Callable[[], datetime]
    admins: frozenset[str]
    seen: dict[str, Seen] = field(default_factory=dict)

    def now(self) -> int:
        return rules.milliseconds(self.clock())

    @property
    def session_lifetime_ms(self) -> int:
        return self.settings.session_days * rules.DAY_MS

    @property
    def trust_ms(self) -> int:
        """How long the gateways have to know of an ended session: until its last access token is over."""
        return self.settings.token_seconds * rules.SECOND_MS + rules.TRUST_MARGIN_MS

    def is_live(self, session: SessionRow, now: int) -> bool:
        return rules.is_live(
            ended_at=session.ended_at,
            last_seen_at=session.last_seen_at,
            now=now,
            lifetime_ms=self.session_lifetime_ms,
        )

    def user(self, row: UserRow) -> User:
        kind = rules.kind_of(promoted=row.promoted, username_key=row.username_key, admins=self.admins)
        return User(row.id, row.name, kind)

    async def tell_ended(self, sessions: list[str], reason: str) -> None:
        """After the commit, before the answer. A gateway that misses this reads `trust` when it is back."""
        if sessions:
            gateways = await self.gateways.to_gateways(SESSIONS_ENDED, SessionsEnded(sessions, reason))
            log.info("sessions ended", reason=reason, sessions=len(sessions), gateways=gateways)

    def profile(self, row: UserRow) -> Profile:
        user = self.user(row)
        return Profile(user.id, user.name, user.kind, username=row.username, email=row.email)


@contextlib.asynccontextmanager
async def open_auth(
    path: Path, settings: AuthSettings, gateways: Gateways, clock: Callable[[], datetime]
) -> AsyncIterator[Auth]:
    async with open_store(path, migrations=MIGRATIONS) as kept:
        keys = await open_keys(kept, rules.milliseconds(clock()), key_lifetime_ms=settings.key_days * rules.DAY_MS)
        passwords = Passwords(settings.pepper, cost=settings.bcrypt_cost)
        admins = frozenset(map(username_key, settings.admins))
        try:
            yield Auth(kept, settings, passwords, keys, gateways, clock, admins)
        finally:
            passwords.close()
