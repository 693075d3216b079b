"""Envelopes on the wire: what goes in comes out, and whatever else comes in is refused as broken."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulso import message
from pulso.contract import Caller
from pulso.errors import CODES
from pulso.message import BrokenFrame, Call, Envelope, Membership, Probe, Regroup, Reply, Tell, TellConnection

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.integers(0, 2**63 - 1)
payloads = st.binary(max_size=60)
callers = st.builds(
    Caller, texts, texts, st.sampled_from(["anonymous", "guest", "user", "admin"]), texts, texts, texts, texts
)
seconds = st.floats(0, 60)
envelopes = st.one_of(
    st.builds(Call, ids, texts, callers, payloads, texts, seconds, texts, texts),
    st.builds(Reply, ids, payloads, st.none() | st.sampled_from(CODES)),
    st.builds(Tell, texts, payloads, texts, texts, texts),
    st.builds(Regroup, texts, texts, st.booleans()),
    st.builds(TellConnection, texts, texts, payloads),
    st.builds(Membership, ids, texts, texts, st.booleans(), texts),
    st.builds(Probe, ids),
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


def decode_or_refuse(data: bytes) -> None:
    with contextlib.suppress(BrokenFrame):
        assert isinstance(message.decode(data), list)
