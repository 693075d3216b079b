"""What members of a room recorded, and what is wrong with it: a pure function over the records of all of them.

Correct is: every acknowledged message came to every member, told or fetched, at one place in one order, as it
was sent; nothing was told twice on one connection; and whoever missed something was told of it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

TOLD_OF_A_GAP_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """What must be the same for everybody."""

    seq: int
    id: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """`at` is in seconds, of one clock for all; a connection has a number of its own."""

    at: float
    member: str


@dataclass(frozen=True, slots=True)
class Sent(Record):
    """For the first time: more attempts, with the same id, leave no record."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Acked(Record):
    """What the server answered to the sending of `id`."""

    id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Heard(Record):
    connection: int
    message: Message


@dataclass(frozen=True, slots=True)
class Fetched(Record):
    """An answer that promises all messages after `after`, up to `upto`."""

    connection: int
    after: int
    upto: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Resynced(Record):
    """The server said that something may have been missed."""

    connection: int


@dataclass(frozen=True, slots=True)
class Ended(Record):
    connection: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Faults of each kind, in words; none where the history is right."""

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    inverted: tuple[str, ...]
    holes: tuple[str, ...]
    altered: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.duplicated or self.inverted or self.holes or self.altered)


def judge(history: Sequence[Record], members: Collection[str]) -> Verdict:
    """`members` were there to the end: they must have everything. The history is in order of time."""
    connections = _connections(history)
    return Verdict(
        lost=tuple(_lost(history, members)),
        duplicated=(*_at_two_places(history), *_heard_twice(connections)),
        inverted=(*_told_backwards(connections), *_before_its_cause(history)),
        holes=(*_holes_in_answers(history), *_untold_holes(connections)),
        altered=tuple(_altered(history)),
    )


def _observed(history: Iterable[Record]) -> Iterator[tuple[Record, Message]]:
    """Every sight of a message: acknowledged, told, fetched."""
    for record in history:
        if isinstance(record, Acked | Heard):
            yield record, record.message
        elif isinstance(record, Fetched):
            for message in record.messages:
                yield record, message


def _lost(history: Sequence[Record], members: Collection[str]) -> Iterator[str]:
    had: dict[str, set[str]] = {member: set() for member in members}
    for record, message in _observed(history):
        if not isinstance(record, Acked) and record.member in had:
            had[record.member].add(message.id)
    acked = {record.id: record.message for record in history if isinstance(record, Acked)}
    for member, ids in had.items():
        for id_, message in acked.items():
            if id_ not in ids:
                yield f"{member} never got {message.text!r} (seq {message.seq}), acknowledged to {message.author}"


def _at_two_places(history: Sequence[Record]) -> Iterator[str]:
    seqs: dict[str, set[int]] = defaultdict(set)
    for _, message in _observed(history):
        seqs[message.id].add(message.seq)
    for id_, places in seqs.items():
        if len(places) > 1:
            yield f"message {id_} stands at {sorted(places)}"


def _heard_twice(connections: Iterable[_Connection]) -> Iterator[str]:
    for connection in connections:
        seen: set[int] = set()
        for message in connection.heard():
            if message.seq in seen:
                yield f"{connection} was told seq {message.seq} twice"
            seen.add(message.seq)


def _told_backwards(connections: Iterable[_Connection]) -> Iterator[str]:
    for connection in connections:
        for before, message in itertools.pairwise(connection.heard()):
            if message.seq < before.seq:
                yield f"{connection} was told seq {message.seq} after {before.seq}"


def _before_its_cause(history: Sequence[Record]) -> Iterator[str]:
    """What was sent after another message was acknowledged must come after it."""
    seqs = {record.id: record.message.seq for record in reversed(history) if isinstance(record, Acked)}
    highest = 0
    for record in history:
        if isinstance(record, Sent) and 0 < seqs.get(record.id, 0) <= highest:
            yield f"{record.text!r} has seq {seqs[record.id]}, and was sent after {highest} was acknowledged"
        elif isinstance(record, Acked):
            highest = max(highest, record.message.seq)


def _holes_in_answers(history: Iterable[Record]) -> Iterator[str]:
    for record in history:
        if isinstance(record, Fetched):
            seqs = [message.seq for message in record.messages]
            if seqs != list(range(record.after + 1, record.upto + 1)):
                yield f"{record.member} asked for {record.after + 1} to {record.upto} and got {seqs}"


def _untold_holes(connections: Iterable[_Connection]) -> Iterator[str]:
    for connection in connections:
        whole_upto: int | None = None  # what was there before the first answer is no hole
        whole_at = 0.0
        ahead: set[int] = set()
        for record in connection.records:
            if isinstance(record, Fetched):
                whole_upto = max(whole_upto or 0, record.upto)
            elif isinstance(record, Heard):
                ahead.add(record.message.seq)
            if whole_upto is None:
                continue
            before = whole_upto
            while whole_upto + 1 in ahead:
                whole_upto += 1
            ahead = {seq for seq in ahead if seq > whole_upto}
            if ahead and not connection.is_told_of_a_gap(whole_at, record.at):
                yield f"{connection} was told seq {min(ahead)} after {whole_upto}, and of no gap"
                whole_upto = max(ahead)
            if whole_upto > before or isinstance(record, Fetched):
                whole_at = record.at


def _altered(history: Sequence[Record]) -> Iterator[str]:
    sent = {record.id: record for record in history if isinstance(record, Sent)}
    truth: dict[int, Message] = {}
    for record, message in _observed(history):
        if isinstance(record, Acked) and record.id != message.id:
            yield f"{record.member} sent {record.id} and was answered {message}"
        if message == truth.setdefault(message.seq, message):
            continue
        yield f"{record.member} got {message}, others {truth[message.seq]}"
    for message in truth.values():
        origin = sent.get(message.id)
        if origin is None:
            yield f"nobody sent {message}"
        elif (origin.member, origin.text) != (message.author, message.text):
            yield f"{origin.member} sent {origin.text!r}, and it became {message}"


@dataclass(slots=True)
class _Connection:
    member: str
    number: int
    records: list[Record] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.member} (connection {self.number})"

    def heard(self) -> list[Message]:
        return [record.message for record in self.records if isinstance(record, Heard)]

    def is_told_of_a_gap(self, since: float, seen_at: float) -> bool:
        """By a word of the server, or by the end of the connection: both have a client fetch what it has not."""
        until = seen_at + TOLD_OF_A_GAP_WITHIN_S
        return any(isinstance(r, Resynced | Ended) and since <= r.at <= until for r in self.records)


def _connections(history: Iterable[Record]) -> list[_Connection]:
    found: dict[int, _Connection] = {}
    for record in history:
        if isinstance(record, Heard | Fetched | Resynced | Ended):
            connection = found.setdefault(record.connection, _Connection(record.member, record.connection))
            connection.records.append(record)
    return list(found.values())
