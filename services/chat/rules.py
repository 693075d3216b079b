"""What chat decides without any I/O: what may be sent, what has its number already, what somebody has missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from pulso import times
from pulso.errors import ServiceError
from pulso.uploads import STATIC, StoredFile
from services.chat.contract import HISTORY, MAX_ANSWER_BYTES, File, Member, Message, Send
from services.chat.rows import FileRow

MAX_MISSED: Final = 500
"""Messages that a rejoin brings at the most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that a member of `room` asks to send; None: who is in none can ask again for an old one alone."""

    id: str
    room: str | None
    author: Member
    text: str
    files: tuple[str, ...]


@dataclass(slots=True)
class Posting:
    """What becomes of several such messages: an answer to each, and what is to be stored."""

    answers: list[Message | ServiceError] = field(default_factory=list)
    new: list[Message] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    """The files that messages name: message by file."""


def check_content(send: Send, *, max_files: int) -> None:
    """Raises `ServiceError("bad_request")`. The text is kept as it was sent, to the last space."""
    if "\0" in send.text:
        raise ServiceError("bad_request", "The text has a character that cannot be stored (NUL).")
    if not send.files and not send.text.strip():
        raise ServiceError("bad_request", "Write something, or attach a file.")
    if len(send.files) > max_files:
        raise ServiceError("bad_request", f"A message may have {max_files} files.")
    if len(set(send.files)) < len(send.files):
        raise ServiceError("bad_request", "The same file is named twice.")


def post(
    wanted: Iterable[Wanted],
    *,
    stored: Mapping[str, Message],
    files: Mapping[str, FileRow],
    seqs: Mapping[str, int],
    at: str,
) -> Posting:
    """Number these messages, in order; `stored` are those that have their ids already, `seqs` the rooms' last."""
    posting, known, last = Posting(), dict(stored), dict(seqs)
    for one in wanted:
        answer = _repeated(one, known.get(one.id)) or _refusal(one, files, posting.claims)
        if answer is None:
            assert one.room is not None, "else refused"
            last[one.room] += 1
            named = [files[id_].file for id_ in one.files]
            answer = Message(last[one.room], one.id, one.room, one.author, one.text, named, at)
            posting.new.append(answer)
            posting.claims.update(dict.fromkeys(one.files, one.id))
            known[one.id] = answer
        posting.answers.append(answer)
    return posting


def missed(tail: Sequence[Message], seq: int, after: int | None) -> tuple[list[Message], bool]:
    """What a user who has all up to `after` is to be given of the last messages, and whether that leaves a gap.

    `tail` are the last `MAX_MISSED` messages, or all there are.
    """
    if after is None:
        return newest(tail[-HISTORY:]), False
    if after > seq:  # of another database: nothing that is known there counts here
        return newest(tail[-HISTORY:]), True
    wanted = min(seq - after, len(tail))
    messages = newest(tail[len(tail) - wanted :])
    return messages, len(messages) < seq - after


def oldest(messages: Iterable[Message]) -> list[Message]:
    """The first of these messages: as many as one answer may hold, one at least."""
    fitting: list[Message] = []
    left = MAX_ANSWER_BYTES
    for message in messages:
        left -= len(msgspec.json.encode(message))
        if left < 0 and fitting:
            break
        fitting.append(message)
    return fitting


def newest(messages: Sequence[Message]) -> list[Message]:
    """As `oldest`, from the end; in their order, too."""
    return oldest(reversed(messages))[::-1]


def by_name(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: (member.name.casefold(), member.id))


def room_name(room: str) -> str:
    """`sala-1` is shown as `Sala 1`."""
    return room.replace("-", " ").capitalize()


def milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def iso(time_ms: int) -> str:
    """`2026-01-31T12:00:00.000Z`"""
    return times.iso(datetime.fromtimestamp(time_ms / 1000, UTC))


def _repeated(wanted: Wanted, known: Message | None) -> Message | ServiceError | None:
    """The message that has the id already, where it is the same one."""
    if known is None:
        return None
    same_content = known.text == wanted.text and tuple(file.id for file in known.files) == wanted.files
    if known.author.id == wanted.author.id and same_content:
        return known
    return ServiceError("conflict", "Another message has this id. Make a new one for each message.")


def _refusal(wanted: Wanted, files: Mapping[str, FileRow], claims: Mapping[str, str]) -> ServiceError | None:
    if wanted.room is None:
        return ServiceError("forbidden", "You are not in that room. Join it first.")
    for id_ in wanted.files:
        row = files.get(id_)
        if row is None:
            return ServiceError("not_found", "A file is not there any more. Upload it again.")
        if row.owner_id != wanted.author.id:
            return ServiceError("forbidden", "Only who has uploaded a file can send it.")
        if row.message_id is not None or id_ in claims:
            return ServiceError("conflict", "A file was sent with another message. Upload it again.")
    return None


def url_of(stored_name: str) -> str:
    return STATIC + stored_name


def file_of(stored: StoredFile) -> File:
    """A stored file as people see it. Its id is the stored name without the extension: as hard to guess."""
    id_ = stored.name.partition(".")[0]
    return File(id_, stored.filename, url_of(stored.name), stored.type, stored.size)
