"""The rules of the feed, pure: what is a record, and how a cursor is written."""

from __future__ import annotations

import binascii
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec

from pulso.times import iso
from pulso.tokens import b64url_decode, b64url_encode
from services.sales.contract import Sale
from services.sales.lines import MAX_LINE_BYTES, Line

EXCERPT_CHARACTERS: Final = 200
MAX_CENTS: Final = 10**13
"""So that sums of a day stay far below 2^53, up to which a browser counts exactly."""

_VISIBLE: Final = r"\A(?=.*\S)[^\x00-\x1f\x7f]*\Z"
_Text = Annotated[str, msgspec.Meta(max_length=200, pattern=_VISIBLE)]
_ShortText = Annotated[str, msgspec.Meta(max_length=100, pattern=_VISIBLE)]
_Cents = Annotated[int, msgspec.Meta(ge=0, le=MAX_CENTS)]

_CURSOR: Final = struct.Struct(">B8sQI")
_VERSION: Final = 1
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NoRecord(ValueError):
    """A line that is no record; says why."""


class NoCursor(ValueError):
    """A text that is no cursor of this feed."""


class Taken(NamedTuple):
    """A record as it was read: the sale, and when it was made in milliseconds since 1970."""

    sale: Sale
    sold_ms: int


class _Written(msgspec.Struct, frozen=True):
    """A record as it stands in the source. What a line says beside this is passed over."""

    id: _ShortText
    sold_at: Annotated[datetime, msgspec.Meta(tz=True)]
    store: _Text
    seller: _Text
    product: _Text
    category: _Text
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    unit_price_cents: _Cents
    total_cents: _Cents
    payment: _ShortText


_decoder: Final = msgspec.json.Decoder(_Written)


def is_blank(line: Line) -> bool:
    return line.text is not None and not line.text.strip()


def record_of(line: Line) -> Taken:
    """The record that a line holds. Raises `NoRecord`."""
    if line.text is None:
        raise NoRecord(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        written = _decoder.decode(line.text)
    except msgspec.ValidationError as fault:
        raise NoRecord(str(fault)) from None
    except UnicodeDecodeError:
        raise NoRecord("not UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as fault:
        raise NoRecord(f"not JSON: {fault}") from None
    try:
        sold_at = written.sold_at.astimezone(UTC)
    except OverflowError:
        sold_at = datetime.min.replace(tzinfo=UTC)
    if sold_at < _EARLIEST:
        raise NoRecord("sold_at lies before 1970 - at `$.sold_at`")
    at = iso(sold_at)
    sale = Sale(
        written.id, at, written.store, written.seller, written.product, written.category,
        written.quantity, written.unit_price_cents, written.total_cents, written.payment,
    )  # fmt: skip
    return Taken(sale, milliseconds(sold_at))


def excerpt_of(line: Line) -> str:
    """How a line begins, in characters that can be shown anywhere."""
    text = (line.text or b"")[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:EXCERPT_CHARACTERS]


def milliseconds(at: datetime) -> int:
    """Since 1970, in whole numbers: a float would round."""
    since = at - _EARLIEST
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def iso_of(time_ms: int) -> str:
    """`2026-01-31T12:00:00.000Z`"""
    return iso(_EARLIEST + timedelta(milliseconds=time_ms))


def cursor_of(feed: bytes, seq: int) -> str:
    """The cursor behind the record `seq` of the feed with this 8-byte tag: the same one each time."""
    head = struct.pack(">B8sQ", _VERSION, feed, seq)
    return b64url_encode(head + struct.pack(">I", zlib.crc32(head)))


def seq_of(feed: bytes, cursor: str) -> int:
    """The other direction. Raises `NoCursor` for junk, and for a cursor of another feed."""
    try:
        data = b64url_decode(cursor)
    except (ValueError, binascii.Error):
        raise NoCursor from None
    if len(data) != _CURSOR.size:
        raise NoCursor
    version, tag, seq, check = _CURSOR.unpack(data)
    if version != _VERSION or check != zlib.crc32(data[:-4]) or tag != feed or cursor != cursor_of(feed, seq):
        raise NoCursor
    return int(seq)
