"""Messages as they are stored, and what they can be searched by."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import msgspec


class Row(NamedTuple):
    """A stored message."""

    seq: int
    at_ms: int
    gateway: str
    connection: str
    user_id: str
    name: str
    is_in: bool
    event: str
    outcome: str
    recipients: int
    payload: str
    size: int


class Filters(NamedTuple):
    """What a message must be. Empty and None let everything pass; `event` and `outcome` as in the contract."""

    user: str = ""
    name: str = ""
    event: str = ""
    is_in: bool | None = None
    outcome: str = ""
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


def readable(payload: bytes) -> str:
    """A payload as it is kept: the characters that JSON may escape stand as themselves, so that they are found."""
    if b"\\u" in payload:
        with contextlib.suppress(ValueError, RecursionError):  # a refused one may be anything
            payload = msgspec.json.encode(msgspec.json.decode(payload))
    # No database has a character for a zero byte.
    return payload.decode("utf-8", "replace").replace("\x00", "\ufffd")


def shown(payload: str) -> msgspec.Raw:
    """A kept payload as it stands in an answer: JSON, or a text with what was none, or null."""
    if not payload:
        return msgspec.Raw(b"null")
    try:
        msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return msgspec.Raw(msgspec.json.encode(payload))
    return msgspec.Raw(payload.encode())
