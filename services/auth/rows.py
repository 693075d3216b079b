"""What auth's store takes and gives. Times are whole milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class UserRow:
    id: str
    name: str
    username: str
    username_key: str
    email: str
    email_key: str
    password_hash: str
    promoted: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`token_hash` is the SHA-256 of the token; the token itself is nowhere."""

    id: str
    token_hash: str
    user_id: str
    created_at: int
    last_seen_at: int
    address: str
    agent: str
    ended_at: int | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """`public` is base64url, as in a JSON Web Key; `private` is gone once a newer key signs."""

    kid: str
    public: str
    private: bytes | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The last use of a session."""

    session: str
    at: int
    agent: str


Taken = Literal["username", "email", "guest"]
