"""Envelopes on the wire: what goes in comes out, and whatever else comes in is refused as broken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulso import message
from pulso.contract import Caller
from pulso.errors import CODES
from pulso.message import (
    BrokenFrame,
    Call,
    Calls,
    Envelope,
    Membership,
    Probe,
    Regroup,
    Replies,
    Reply,
    Tell,
    TellConnection,
    TellOthers,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.integers(0, 2**63 - 1)
payloads = st.binary(max_size=60)
callers = st.builds(
    Caller, texts, texts, st.sampled_from(["anonymous", "guest", "user", "admin"]), texts, texts, texts, texts
)
seconds = st.floats(0, 60)


def columns(build: Callable[..., Envelope], *cells: st.SearchStrategy[Any]) -> st.SearchStrategy[Envelope]:
    rows = st.lists(st.tuples(*cells), min_size=1, max_size=5)
    return rows.map(lambda rows: build(*(list(column) for column in zip(*rows, strict=True))))


envelopes = st.one_of(
    st.builds(Call, ids, texts, callers, payloads, texts, seconds, texts, texts),
    st.builds(Reply, ids, payloads, st.none() | st.sampled_from(CODES)),
    st.builds(Tell, texts, payloads, texts, texts, texts),
    st.builds(Regroup, texts, texts, st.booleans()),
    st.builds(TellConnection, texts, texts, payloads),
    st.builds(Membership, ids, texts, texts, st.booleans(), texts),
    st.builds(Probe, ids),
    columns(lambda *lists: Calls("a:b", "inbox", 5.0, *lists), ids, payloads, payloads),
    columns(Replies, ids, payloads),
    columns(lambda *lists: TellOthers("event", *lists), texts, texts, payloads),
)
batches = st.lists(envelopes, min_size=1, max_size=12)


@given(batches)
def test_what_is_encoded_is_decoded_the_same(batch: list[Envelope]) -> None:
    assert [envelope for data in message.encode(batch) for envelope in message.decode(data)] == batch


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_broken(data: bytes) -> None:
    decode_or_refuse(data)


@given(batches, st.data())
def test_a_damaged_message_is_a_batch_or_broken(batch: list[Envelope], draw: st.DataObject) -> None:
    (data,) = message.encode(batch)
    at = draw.draw(st.integers(0, len(data) - 1))
    decode_or_refuse(data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :])
    decode_or_refuse(data[:at])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",  # nil
        b"\x91" * 100_000,  # nested without end
        b"\xdd\xff\xff\xff\xff",  # four thousand million envelopes, it says
        b"\x91\x92\x06\xd9",  # a text that never comes
        b"\x91\x92\x06\xa1\xff",  # a text that is no UTF-8
        msgspec.msgpack.encode([[6]]),  # a field is missing
        msgspec.msgpack.encode([[99, 1]]),  # no such envelope
        msgspec.msgpack.encode([[6, "one"]]),
        msgspec.msgpack.encode([[1, 1, "a:b", ["u", "Ana", "emperor"], b"", "r", 1.0]]),
        msgspec.msgpack.encode([[10, "a:b", "r", 5.0, [1, 2], [b"c", b"c"], [b"{}"]]]),  # a payload is missing
        msgspec.msgpack.encode([[11, [1], [b"{}", b"{}"]]]),  # a reply to nobody
        b'{"event": "from somebody else"}',
    ],
)
def test_foreign_message_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        message.decode(data)


def test_field_added_by_a_newer_version_is_passed_over() -> None:
    assert message.decode(msgspec.msgpack.encode([[6, 7, "invented later"]])) == [Probe(7)]


@given(st.lists(st.integers(0, message.MAX_BATCH_BYTES // 3), min_size=1, max_size=12))
def test_large_batch_is_cut_below_the_cap_in_order(sizes: list[int]) -> None:
    batch: list[Envelope] = [Tell(str(number), bytes(size)) for number, size in enumerate(sizes)]
    cut = message.parts(batch)
    assert [envelope for _, part in cut for envelope in part] == batch
    for data, part in cut:
        assert len(data) <= message.MAX_BATCH_BYTES
        assert message.decode(data) == part


def test_envelope_over_the_cap_travels_alone() -> None:
    huge = Tell("huge", bytes(message.MAX_BATCH_BYTES + 1))
    cut = message.parts([Probe(1), huge, Probe(2)])
    assert [part for _, part in cut if huge in part] == [[huge]]
    assert [envelope for _, part in cut for envelope in part] == [Probe(1), huge, Probe(2)]


def test_columns_over_the_cap_are_cut_as_a_batch_is() -> None:
    count, size = 100, message.MAX_BATCH_BYTES // 20
    replies = Replies(list(range(count)), [bytes(size)] * count)
    cut = message.parts([Probe(1), replies, Probe(2)])
    assert all(len(data) <= message.MAX_BATCH_BYTES for data, _ in cut)
    told = [envelope for data, _ in cut for envelope in message.decode(data)]
    assert (told[0], told[-1]) == (Probe(1), Probe(2))
    parts = [envelope for envelope in told if isinstance(envelope, Replies)]
    assert [id_ for part in parts for id_ in part.ids] == list(range(count))
    assert all(part.payloads == [bytes(size)] * len(part.ids) for part in parts)


@given(callers)
def test_a_caller_is_encoded_alone(caller: Caller) -> None:
    assert message.decode_caller(message.encode_caller(caller)) == caller


@pytest.mark.parametrize("data", [b"", b"\xc0", msgspec.msgpack.encode(["u", "Ana", "emperor"])])
def test_what_is_no_caller_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        message.decode_caller(data)


def decode_or_refuse(data: bytes) -> None:
    with contextlib.suppress(BrokenFrame):
        assert isinstance(message.decode(data), list)
