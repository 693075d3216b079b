"""The SQL of auth: users, sessions, ended guest sessions and signing keys.

Each function is one step of a transaction that the caller has begun. Times are whole milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auth.rows import KeyRow, Seen, SessionRow, Taken, UserRow

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_metadata = MetaData()

_users = Table(
    "users",
    _metadata,
    Column("id", String, primary_key=True),
    Column("name", String),
    Column("username", String),
    Column("username_key", String),
    Column("email", String),
    Column("email_key", String),
    Column("password_hash", String),
    Column("promoted", Boolean),
    Column("created_at", BigInteger),
)
_sessions = Table(
    "sessions",
    _metadata,
    Column("id", String, primary_key=True),
    Column("token_hash", String),
    Column("user_id", String, ForeignKey("users.id")),
    Column("created_at", BigInteger),
    Column("last_seen_at", BigInteger),
    Column("address", String),
    Column("agent", String),
    Column("ended_at", BigInteger),
    Column("end_reason", String),
)
_ended_guests = Table(
    "ended_guests", _metadata, Column("session", String, primary_key=True), Column("ended_at", BigInteger)
)
_keys = Table(
    "signing_keys",
    _metadata,
    Column("kid", String, primary_key=True),
    Column("public", String),
    Column("private", LargeBinary),
    Column("created_at", BigInteger),
)


async def taken(connection: AsyncConnection, username_key: str, email_key: str) -> Taken | None:
    """Which of the two an account has already."""
    found = await connection.execute(
        select(_users.c.username_key).where(
            or_(_users.c.username_key == username_key, _users.c.email_key == email_key)
        )
    )
    keys = found.scalars().all()
    if not keys:
        return None
    return "username" if username_key in keys else "email"


async def add_account(
    connection: AsyncConnection, user: UserRow, session: SessionRow, *, guest_session: str | None
) -> Taken | None:
    """A new user with a first session, unless something is taken. The guest who the user was is no more.

    That is answered, not raised: a fault would have every other change of the transaction run again.
    """
    found = await taken(connection, user.username_key, user.email_key)
    if guest_session and await ended_guests(connection, [guest_session]):
        found = "guest"
    if found is None:
        await connection.execute(insert(_users).values(**asdict(user)))
        await connection.execute(insert(_sessions).values(**asdict(session)))
        if guest_session:
            await end_guest(connection, guest_session, at=user.created_at)
    return found


async def user_by_id(connection: AsyncConnection, user_id: str) -> UserRow | None:
    return await _user(connection, _users.c.id == user_id)


async def user_by_username(connection: AsyncConnection, key: str) -> UserRow | None:
    return await _user(connection, _users.c.username_key == key)


async def user_by_email(connection: AsyncConnection, key: str) -> UserRow | None:
    return await _user(connection, _users.c.email_key == key)


async def promote(connection: AsyncConnection, user_id: str) -> UserRow | None:
    await connection.execute(update(_users).where(_users.c.id == user_id).values(promoted=True))
    return await user_by_id(connection, user_id)


async def add_session(
    connection: AsyncConnection, session: SessionRow, *, new_password_hash: str | None = None
) -> None:
    """A further session of a user; the new hash is the same password at another cost."""
    await connection.execute(insert(_sessions).values(**asdict(session)))
    if new_password_hash is not None:
        await connection.execute(
            update(_users).where(_users.c.id == session.user_id).values(password_hash=new_password_hash)
        )


async def sessions_by_token(
    connection: AsyncConnection, token_hashes: Iterable[str]
) -> dict[str, tuple[SessionRow, UserRow]]:
    """By token hash: the session, ended or not, and whose it is."""
    found = await _with_users(connection, _sessions.c.token_hash.in_(list(token_hashes)))
    return {session.token_hash: (session, user) for session, user in found}


async def session_by_id(connection: AsyncConnection, session_id: str) -> tuple[SessionRow, UserRow] | None:
    found = await _with_users(connection, _sessions.c.id == session_id)
    return found[0] if found else None


async def open_sessions(
    connection: AsyncConnection, user_id: str, *, seen_after: int, limit: int
) -> list[SessionRow]:
    """The user's sessions that were not ended and not forgotten, the last used first."""
    found = await connection.execute(
        select(_sessions)
        .where(
            _sessions.c.user_id == user_id,
            _sessions.c.ended_at.is_(None),
            _sessions.c.last_seen_at > seen_after,
        )
        .order_by(_sessions.c.last_seen_at.desc(), _sessions.c.id)
        .limit(limit)
    )
    return [SessionRow(**row) for row in found.mappings()]


async def end_session(connection: AsyncConnection, session_id: str, *, at: int, reason: str) -> None:
    """Ending a session again changes nothing."""
    await connection.execute(
        update(_sessions)
        .where(_sessions.c.id == session_id, _sessions.c.ended_at.is_(None))
        .values(ended_at=at, end_reason=reason)
    )


async def end_sessions_of(connection: AsyncConnection, user_id: str, *, at: int, reason: str) -> list[str]:
    """End all of the user's sessions; returns which these were."""
    are_open = (_sessions.c.user_id == user_id) & _sessions.c.ended_at.is_(None)
    found = await connection.execute(select(_sessions.c.id).where(are_open))
    ended = list(found.scalars())
    await connection.execute(update(_sessions).where(are_open).values(ended_at=at, end_reason=reason))
    return ended


async def mark_seen(connection: AsyncConnection, seen: Iterable[Seen]) -> None:
    rows = [{"session": item.session, "at": item.at, "by": item.agent} for item in seen]
    if rows:
        await connection.execute(
            update(_sessions)
            .where(_sessions.c.id == bindparam("session"))
            .values(last_seen_at=bindparam("at"), agent=bindparam("by")),
            rows,
        )


async def end_guest(connection: AsyncConnection, session: str, *, at: int) -> None:
    if not await ended_guests(connection, [session]):
        await connection.execute(insert(_ended_guests).values(session=session, ended_at=at))


async def ended_guests(connection: AsyncConnection, sessions: Iterable[str]) -> set[str]:
    """Which of these guest sessions were ended."""
    found = await connection.execute(
        select(_ended_guests.c.session).where(_ended_guests.c.session.in_(list(sessions)))
    )
    return set(found.scalars())


async def ended_since(connection: AsyncConnection, since: int) -> list[tuple[str, int]]:
    """Sessions of users and guests that ended after `since`, and when."""
    ended: list[tuple[str, int]] = []
    for table, session in ((_sessions, _sessions.c.id), (_ended_guests, _ended_guests.c.session)):
        found = await connection.execute(
            select(session, table.c.ended_at).where(table.c.ended_at > since).order_by(table.c.ended_at)
        )
        ended += [(row[0], row[1]) for row in found]
    return ended


async def sweep(
    connection: AsyncConnection, *, ended_before: int, seen_before: int, guests_ended_before: int
) -> int:
    """Delete what nothing can refer to any more; returns how many rows that was."""
    stale = or_(_sessions.c.ended_at < ended_before, _sessions.c.last_seen_at < seen_before)
    sessions = await connection.execute(delete(_sessions).where(stale))
    guests = await connection.execute(delete(_ended_guests).where(_ended_guests.c.ended_at < guests_ended_before))
    return sessions.rowcount + guests.rowcount


async def signing_keys(connection: AsyncConnection) -> list[KeyRow]:
    """The oldest first."""
    found = await connection.execute(select(_keys).order_by(_keys.c.created_at, _keys.c.kid))
    return [KeyRow(**row) for row in found.mappings()]


async def add_key(connection: AsyncConnection, key: KeyRow) -> None:
    await connection.execute(insert(_keys).values(**asdict(key)))


async def forget_private(connection: AsyncConnection, kids: Iterable[str]) -> None:
    await connection.execute(update(_keys).where(_keys.c.kid.in_(list(kids))).values(private=None))


async def drop_keys(connection: AsyncConnection, kids: Iterable[str]) -> None:
    await connection.execute(delete(_keys).where(_keys.c.kid.in_(list(kids))))


async def _user(connection: AsyncConnection, which: ColumnElement[bool]) -> UserRow | None:
    found = (await connection.execute(select(_users).where(which))).mappings().one_or_none()
    return UserRow(**found) if found else None


async def _with_users(connection: AsyncConnection, which: ColumnElement[bool]) -> list[tuple[SessionRow, UserRow]]:
    found = await connection.execute(
        select(
            *(column.label(f"session_{column.name}") for column in _sessions.c),
            *(column.label(f"user_{column.name}") for column in _users.c),
        )
        .join_from(_sessions, _users)
        .where(which)
    )
    return [(SessionRow(**_fields(row, "session_")), UserRow(**_fields(row, "user_"))) for row in found.mappings()]


def _fields(row: RowMapping, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
