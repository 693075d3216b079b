"""The keys that sign tokens: one signs, the ones before it stay published for as long as their tokens live.

A new key is published for `PUBLISH_AHEAD_MS` before it signs, so that every gateway knows it by then. What a key
may do follows from the times at which it and its successor were made, and from nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pulso import tokens
from pulso.store import Store
from pulso.tokens import Claims, TokenVerifier
from services.auth import rules, store
from services.auth.contract import Jwk
from services.auth.rows import KeyRow

PUBLISH_AHEAD_MS: Final = 60 * rules.SECOND_MS
GUEST_LIFETIME_MS: Final = 365 * rules.DAY_MS
"""The longest life of anything that a key signs."""

GUEST_AUDIENCE: Final = "pulso-guest"
"""Neither is a guest's credential an access token, nor the other way round."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about the keys at some moment."""

    signs: str
    needs_new: bool
    superseded: list[str]  # their private halves are of no more use
    expired: list[str]  # nothing that they signed is still alive


def plan(keys: Sequence[KeyRow], now: int, *, key_lifetime_ms: int) -> Plan:
    """`keys` are ordered by age, the oldest first, and one at least has its private half."""
    # The first key of all has nobody to take over from: it signs at once.
    begins = [keys[0].created_at, *(key.created_at + PUBLISH_AHEAD_MS for key in keys[1:])]
    able = [i for i, key in enumerate(keys) if key.private is not None]
    # Where the clock was set back, none may be due: then the oldest that still can.
    current = max((i for i in able if begins[i] <= now), default=able[0])
    return Plan(
        signs=keys[current].kid,
        needs_new=now >= keys[-1].created_at + key_lifetime_ms,
        superseded=[key.kid for key in keys[:current] if key.private is not None],
        expired=[keys[i].kid for i in range(current) if begins[i + 1] + GUEST_LIFETIME_MS < now],
    )


class Keys:
    """The keys as they stand in the store, ready for use. Made by `open_keys`."""

    def __init__(self, rows: Sequence[KeyRow], *, key_lifetime_ms: int) -> None:
        self._lifetime_ms = key_lifetime_ms
        self._rows: list[KeyRow] = []
        self._private: dict[str, Ed25519PrivateKey] = {}
        self._use(rows)

    @property
    def published(self) -> list[Jwk]:
        return [Jwk(kid=row.kid, x=row.public) for row in self._rows]

    def sign(self, claims: Claims, now: int) -> str:
        kid = self.plan(now).signs
        return tokens.sign(claims, self._private[kid], kid)

    def plan(self, now: int) -> Plan:
        return plan(self._rows, now, key_lifetime_ms=self._lifetime_ms)

    async def rotate(self, kept: Store, now: int) -> None:
        """Publish a new key; it signs `PUBLISH_AHEAD_MS` later."""
        # Later than the one before, even where the clock was set back: the order of keys is that of their times.
        new = new_key(max(now, self._rows[-1].created_at + 1))
        await kept.write(lambda connection: store.add_key(connection, new))
        self._use([*self._rows, new])

    async def tidy(self, kept: Store, now: int) -> None:
        """Let go of private halves, and of whole keys, that are of no more use."""
        due = self.plan(now)
        if not due.superseded and not due.expired:
            return
        await kept.write(lambda connection: store.forget_private(connection, due.superseded))
        await kept.write(lambda connection: store.drop_keys(connection, due.expired))
        async with kept.read() as connection:
            self._use(await store.signing_keys(connection))

    def _use(self, rows: Sequence[KeyRow]) -> None:
        self._rows = list(rows)
        self._private = {
            row.kid: Ed25519PrivateKey.from_private_bytes(row.private) for row in rows if row.private is not None
        }
        self.guests = TokenVerifier(self.published, audience=GUEST_AUDIENCE)


async def open_keys(kept: Store, now: int, *, key_lifetime_ms: int) -> Keys:
    """The stored keys; the first one is made here."""
    async with kept.read() as connection:
        rows = await store.signing_keys(connection)
    if not rows:
        first = new_key(now)
        await kept.write(lambda connection: store.add_key(connection, first))
        rows = [first]
    return Keys(rows, key_lifetime_ms=key_lifetime_ms)


def new_key(now: int) -> KeyRow:
    private = Ed25519PrivateKey.generate()
    public = tokens.b64url_encode(private.public_key().public_bytes_raw())
    return KeyRow(thumbprint(public), public, private.private_bytes_raw(), now)


def thumbprint(public: str) -> str:
    """The key's name, made from the key itself (RFC 7638, RFC 8037 section 2)."""
    canonical = msgspec.json.encode({"crv": "Ed25519", "kty": "OKP", "x": public})
    return tokens.b64url_encode(hashlib.sha256(canonical).digest())
