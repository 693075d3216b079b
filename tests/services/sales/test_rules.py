"""What is a record, and what a cursor."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sales.lines import Line
from services.sales.rules import (
    NoCursor,
    NoRecord,
    cursor_of,
    excerpt_of,
    is_blank,
    iso_of,
    record_of,
    seq_of,
)
from tests.services.sales.made import sale

TAG = b"12345678"
SEQS = st.integers(0, 2**63 - 1)


def read(text: bytes | dict[str, Any]) -> Line:
    return Line(1, 0, text if isinstance(text, bytes) else json.dumps(text).encode())


def test_a_record_is_served_as_it_was_written() -> None:
    written = sale(id="019a", product="Maçã & <b>“açaí”</b>")
    taken = record_of(read(written))
    assert msgspec.to_builtins(taken.sale) == written
    assert iso_of(taken.sold_ms) == written["sold_at"]


@pytest.mark.parametrize(
    ("written", "served"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T09:00:00-03:00", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00.1239Z", "2026-01-31T12:00:00.123Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_served_in_utc_with_milliseconds(written: str, served: str) -> None:
    taken = record_of(read(sale(sold_at=written)))
    assert taken.sale.sold_at == served == iso_of(taken.sold_ms)


def test_what_a_line_says_beside_a_record_is_passed_over() -> None:
    assert record_of(read(sale(id="x", discount=3))).sale.id == "x"


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 101}, "id"),
        ({"product": "  "}, "product"),
        ({"product": "a\x00b"}, "product"),
        ({"seller": "a\nb"}, "seller"),
        ({"store": None}, "store"),
        ({"sold_at": "2026-01-31T12:00:00"}, "sold_at"),
        ({"sold_at": "yesterday"}, "sold_at"),
        ({"sold_at": 1_700_000_000}, "sold_at"),
        ({"sold_at": "1969-12-31T23:59:59Z"}, "sold_at"),
        ({"sold_at": "0001-01-01T00:00:00+05:00"}, "sold_at"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "2"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"unit_price_cents": -1}, "unit_price_cents"),
        ({"total_cents": 10**14}, "total_cents"),
        ({"total_cents": 12.99}, "total_cents"),
    ],
)
def test_a_line_that_is_no_record_says_which_field_is_why(fields: dict[str, Any], about: str) -> None:
    with pytest.raises(NoRecord, match=about):
        record_of(read(sale(**fields)))


@pytest.mark.parametrize("field", [name for name in sale() if name != "id"])
def test_every_field_is_needed(field: str) -> None:
    written = sale()
    del written[field]
    with pytest.raises(NoRecord, match=field):
        record_of(read(written))


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"null", b"nonsense", b'{"id": "x"} {}', b"\xff\xfe", b'"\\ud800"', b"NaN", b"[" * 9999]
)
def test_whatever_stands_in_a_line_is_refused_with_a_reason(text: bytes) -> None:
    with pytest.raises(NoRecord) as refused:
        record_of(read(text))
    assert str(refused.value)


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_a_broken_line(data: bytes) -> None:
    excerpt = excerpt_of(read(data))
    assert excerpt.isprintable()
    assert len(excerpt) <= 200
    if not is_blank(read(data)):
        with pytest.raises(NoRecord):
            record_of(read(data))


@given(SEQS)
def test_a_cursor_is_always_the_same_and_leads_back(seq: int) -> None:
    cursor = cursor_of(TAG, seq)
    assert cursor == cursor_of(TAG, seq)
    assert seq_of(TAG, cursor) == seq
    with pytest.raises(NoCursor):
        seq_of(b"another1", cursor)


@given(SEQS, st.integers(0, 27), st.characters(codec="utf-8"))
def test_a_cursor_that_was_changed_is_none(seq: int, place: int, other: str) -> None:
    cursor = cursor_of(TAG, seq)
    changed = cursor[:place] + other + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(NoCursor):
            seq_of(TAG, changed)


@given(st.text(max_size=60))
def test_junk_is_no_cursor(text: str) -> None:
    with pytest.raises(NoCursor):
        seq_of(TAG, text)
