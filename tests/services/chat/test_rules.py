"""The rules: numbering, repetition, refusal, and what somebody has missed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulso.errors import ServiceError
from services.chat import rules
from services.chat.contract import HISTORY, MAX_ANSWER_BYTES, File, Member, Message, Send
from services.chat.rows import FileRow
from services.chat.rules import MAX_MISSED, Wanted

AT = "2026-01-31T12:00:00.000Z"
PEOPLE = [Member("u_ana", "Ana"), Member("u_rui", "Rui")]
ROOMS = ["sala-1", "sala-2"]


def file(id_: str) -> File:
    return File(id_, f"{id_}.png", f"/static/{id_}.png", "image/png", 1)


FILES = {id_: FileRow("u_ana" if n % 2 else "u_rui", file(id_)) for n, id_ in enumerate("abcdef")}

wanted = st.builds(
    Wanted,
    id=st.sampled_from("12345678"),
    room=st.sampled_from([*ROOMS, None]),
    author=st.sampled_from(PEOPLE),
    text=st.sampled_from(["x", "y"]),
    files=st.lists(st.sampled_from("abcdefg"), max_size=2, unique=True).map(tuple),
)


@given(st.lists(st.lists(wanted, max_size=8), max_size=6))
def test_however_messages_come_numbers_have_no_holes_and_nothing_is_stored_twice(
    batches: list[list[Wanted]],
) -> None:
    stored: dict[str, Message] = {}
    files = dict(FILES)
    seqs = dict.fromkeys(ROOMS, 0)
    for batch in batches:
        posting = rules.post(batch, stored=stored, files=files, seqs=seqs, at=AT)
        assert len(posting.answers) == len(batch)
        for one, answer in zip(batch, posting.answers, strict=True):
            if isinstance(answer, Message):
                assert (answer.id, answer.text, answer.author) == (one.id, one.text, one.author)
                assert tuple(f.id for f in answer.files) == one.files
        for message in posting.new:
            assert message.id not in stored
            seqs[message.room] += 1
            assert message.seq == seqs[message.room]
            stored[message.id] = message
        for id_, message_id in posting.claims.items():
            assert files[id_].message_id is None
            assert files[id_].owner_id == stored[message_id].author.id
            files[id_] = FileRow(files[id_].owner_id, files[id_].file, message_id)
    named = Counter(f.id for message in stored.values() for f in message.files)
    assert all(count == 1 for count in named.values())


@given(st.lists(wanted, min_size=1, max_size=8))
def test_a_batch_that_is_run_again_comes_to_the_same(batch: list[Wanted]) -> None:
    """A transaction may be rolled back, and its changes run again."""

    def run() -> Any:
        posting = rules.post(batch, stored={}, files=FILES, seqs=dict.fromkeys(ROOMS, 3), at=AT)
        return posting.new, posting.claims

    assert run() == run()


def tail_of(seq: int) -> list[Message]:
    first = max(1, seq - MAX_MISSED + 1)
    return [Message(n, str(n), "sala-1", PEOPLE[0], "x", [], AT) for n in range(first, seq + 1)]


@given(st.integers(0, 1200), st.none() | st.integers(0, 1300))
def test_who_comes_back_is_given_all_that_was_missed_or_told_of_the_gap(seq: int, after: int | None) -> None:
    messages, gap = rules.missed(tail_of(seq), seq, after)
    seqs = [message.seq for message in messages]
    assert seqs == list(range(seq - len(seqs) + 1, seq + 1))
    if after is None:
        assert (len(seqs), gap) == (min(seq, HISTORY), False)
    elif after > seq:
        assert (len(seqs), gap) == (min(seq, HISTORY), True)
    else:
        assert (len(seqs), gap) == (min(seq - after, MAX_MISSED), seq - after > MAX_MISSED)


@given(st.lists(st.sampled_from([1, 2_000, 4_000]), max_size=60), st.integers(0, 60))
def test_what_is_too_long_for_one_answer_is_told_as_a_gap(sizes: list[int], after: int) -> None:
    """The characters that JSON makes the most of take 24 KB a message."""
    tail = [Message(n, str(n), "sala-1", PEOPLE[0], "\x01" * size, [], AT) for n, size in enumerate(sizes, 1)]
    messages, gap = rules.missed(tail, len(tail), min(after, len(tail)))
    assert messages == tail[len(tail) - len(messages) :]
    assert gap is (len(messages) < len(tail) - min(after, len(tail)))
    assert len(msgspec.json.encode(messages)) <= MAX_ANSWER_BYTES + 100  # the commas
    if gap:
        one_more = tail[len(tail) - len(messages) - 1 :]
        assert len(msgspec.json.encode(one_more)) > MAX_ANSWER_BYTES
    assert rules.oldest(tail) == tail[: len(rules.oldest(tail))]


@given(st.text(max_size=50))
def test_any_text_with_something_in_it_may_be_sent(text: str) -> None:
    send = Send("1", text)
    if text.strip() and "\0" not in text:
        rules.check_content(send, max_files=10)
    else:
        with pytest.raises(ServiceError, match="bad_request"):
            rules.check_content(send, max_files=10)
    if "\0" not in text:
        rules.check_content(Send("1", text, ["a"]), max_files=10)


def test_members_are_listed_by_name_as_people_sort_them() -> None:
    members = [Member("3", "carla"), Member("2", "Bruno"), Member("1", "Ana"), Member("0", "ana")]
    assert [member.name for member in rules.by_name(members)] == ["ana", "Ana", "Bruno", "carla"]
