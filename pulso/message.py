"""The envelopes on the bus, and how a batch of them becomes one message.

A batch is a msgpack array of envelopes; an envelope is an array whose first element is its tag. Fields are only
ever added at the end and with a default, so that two versions can talk during a rolling restart. Payloads are
JSON bytes that pass through unread: only the service decodes a request, only the client decodes a reply.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec

from pulso.contract import Caller
from pulso.errors import Code

MAX_BATCH_BYTES: Final = 1 << 20
"""A batch is cut before it grows past this, so that one message never fills a subscriber's output buffer."""


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A request to one shard of a service, answered with a `Reply` on `reply_to`.

    `timeout_s` is what was left of the caller's deadline when it was sent: a handler that finds its queue
    longer than that need not begin. `trace` is a W3C traceparent, passed on.
    """

    id: int
    endpoint: str
    caller: Caller
    payload: bytes
    reply_to: str
    timeout_s: float
    request: str = ""
    trace: str = ""


class Reply(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The answer to a call: JSON of the result where `code` is None, else JSON of an `ErrorBody`."""

    id: int
    payload: bytes
    code: Code | None = None


class Tell(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """An event for whoever follows the channel: the members of a topic, or the gateways themselves.

    `skip` is a connection that is left out: the one that caused the event; `skip_user` a user all of whose
    connections are. An event with an `id` may be sent again where nobody knows whether it arrived: a gateway
    that has passed it on does not do so twice.
    """

    event: str
    payload: bytes
    skip: str = ""
    skip_user: str = ""
    id: str = ""


class TellConnection(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """An event for one connection of the gateway that is sent this."""

    connection: str
    event: str
    payload: bytes


class Membership(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A connection joins a topic, or leaves it. Answered with a `Reply` once the subscription is confirmed."""

    id: int
    connection: str
    topic: str
    joins: bool
    reply_to: str


class Probe(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What a link sends itself to prove that publishing reaches subscribers."""

    id: int


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """On a user's topic: the gateway with this inbox follows it, too."""

    inbox: str


class Regroup(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Whoever follows the channel leaves every topic that begins with `among`, but `topic`, which it `joins`."""

    among: str
    topic: str = ""
    joins: bool = False


class Recap(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """On a topic, before events that may be sent for the second time: the ids of all of them, in their order.

    Where a later one has been passed on the earlier ones are past: a gateway that has missed them has told of the
    gap, and does not pass them on any more.
    """

    ids: list[str]


class Columns(msgspec.Struct, frozen=True, array_like=True):
    """Many of one kind in one envelope: a list for each of their fields, all of one length.

    Lists of texts or bytes are encoded and decoded far quicker than a struct for each: a call, whose caller alone
    is eight values, costs a service 0.1 us to decode instead of 1.1. They may grow until they are sent.
    """

    def __len__(self) -> int:
        return len(self.payloads)  # type: ignore[attr-defined]  # what each of them has

    def is_even(self) -> bool:
        return len({len(column) for column in self._lists().values()}) == 1

    def halves(self) -> list[Envelope]:
        columns = self._lists()
        both: list[Any] = [
            msgspec.structs.replace(self, **{name: column[half] for name, column in columns.items()})
            for half in _halves(len(self))
        ]
        return both

    def _lists(self) -> dict[str, list[Any]]:
        return {name: value for name in self.__struct_fields__ if isinstance(value := getattr(self, name), list)}


class Calls(Columns, frozen=True, array_like=True, tag=10):
    """As many `Call`s to one endpoint, without an id of a request or a trace of their own.

    `callers` are as `encode_caller` made them: a gateway encodes each once, and a service decodes each once.
    """

    endpoint: str
    reply_to: str
    timeout_s: float
    ids: list[int]
    callers: list[bytes]
    payloads: list[bytes]


class Replies(Columns, frozen=True, array_like=True, tag=11):
    """As many `Reply`s with results. Errors come as a `Reply` each."""

    ids: list[int]
    payloads: list[bytes]


class TellOthers(Columns, frozen=True, array_like=True, tag=12):
    """An event for the other connections of some users, sent to the gateway that has the ones named here.

    Those were the only ones. Where one is that no longer, the gateway publishes the event on the user's topic.
    """

    event: str
    users: list[str]
    connections: list[str]
    payloads: list[bytes]


Envelope = (
    Call
    | Reply
    | Tell
    | TellConnection
    | Membership
    | Probe
    | TellOthers
    | Hello
    | Regroup
    | Calls
    | Replies
    | Recap
)

KEPT_CALLERS: Final = 1 << 15
"""Callers that a process remembers decoded: as many as may well be connected to all gateways."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Envelope])
_caller_decoder = msgspec.msgpack.Decoder(Caller)


class BrokenFrame(Exception):
    """Bytes that are no batch of envelopes."""


def encode(batch: list[Envelope]) -> list[bytes]:
    """The batch as messages: one, or as many as `MAX_BATCH_BYTES` asks for."""
    return [data for data, _ in parts(batch)]


def parts(batch: list[Envelope]) -> list[tuple[bytes, list[Envelope]]]:
    """As `encode`, with the envelopes that each message holds."""
    data = _encoder.encode(batch)
    if len(data) <= MAX_BATCH_BYTES:
        return [(data, batch)]
    if len(batch) == 1:
        only = batch[0]
        if not isinstance(only, Columns) or len(only) == 1:
            return [(data, batch)]
        batch = only.halves()
    return [part for half in _halves(len(batch)) for part in parts(batch[half])]


def decode(data: bytes) -> list[Envelope]:
    """Raises `BrokenFrame` for anything that is not a batch."""
    try:
        batch = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BrokenFrame(str(fault)) from fault
    for envelope in batch:
        if isinstance(envelope, Columns) and not envelope.is_even():
            raise BrokenFrame("columns of different lengths")
    return batch


def awaited(batch: list[Envelope]) -> list[int]:
    """The ids of those that are to be answered."""
    ids: list[int] = []
    for envelope in batch:
        if type(envelope) is Calls:
            ids += envelope.ids
        elif type(envelope) is Call or type(envelope) is Membership:
            ids.append(envelope.id)
    return ids


def count(batch: list[Envelope]) -> int:
    """How many there are, each one in columns counted."""
    return sum(len(envelope) if isinstance(envelope, Columns) else 1 for envelope in batch)


def encode_caller(caller: Caller) -> bytes:
    return _encoder.encode(caller)


@functools.lru_cache(KEPT_CALLERS)
def decode_caller(data: bytes) -> Caller:
    """Raises `BrokenFrame`."""
    try:
        return _caller_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BrokenFrame(str(fault)) from fault


def _halves(count: int) -> tuple[slice, slice]:
    return slice(None, count // 2), slice(count // 2, None)
