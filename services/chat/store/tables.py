"""The tables of chat, as migrations/ makes them. Times are whole milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table, Text

AT_ONCE: Final = 500
"""Values in one IN: databases bound the number of parameters."""

_metadata = MetaData()
ROOMS: Final = Table(
    "rooms",
    _metadata,
    Column("id", String, primary_key=True),
    Column("seq", BigInteger),
    Column("published_seq", BigInteger),
)
MESSAGES: Final = Table(
    "messages",
    _metadata,
    Column("room_id", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", String),
    Column("author_id", String),
    Column("author_name", String),
    Column("text", Text),
    Column("files", Text),
    Column("at_ms", BigInteger),
)
MEMBERS: Final = Table(
    "members",
    _metadata,
    Column("user_id", String, primary_key=True),
    Column("name", String),
    Column("room_id", String),
    Column("since_ms", BigInteger),
)
MOVES: Final = Table(
    "moves",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String),
    Column("room_id", String),
    Column("user_id", String),
    Column("name", String),
    Column("came", Boolean),
    Column("after_seq", BigInteger),
)
FILES: Final = Table(
    "files",
    _metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", String),
    Column("stored_name", String),
    Column("filename", String),
    Column("type", String),
    Column("size", BigInteger),
    Column("uploaded_ms", BigInteger),
    Column("message_id", String),
)
UPLOADS: Final = Table("uploads", _metadata, Column("prefix", String, primary_key=True))


def slices(values: Collection[str]) -> Iterable[list[str]]:
    """In lists that fit into an IN."""
    every = list(values)
    for begin in range(0, len(every), AT_ONCE):
        yield every[begin : begin + AT_ONCE]
