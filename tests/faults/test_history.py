"""The judge of histories finds each kind of fault, and none where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.faults.history import (
    TOLD_OF_A_GAP_WITHIN_S,
    Acked,
    Ended,
    Fetched,
    Heard,
    Message,
    Record,
    Resynced,
    Sent,
    Verdict,
    judge,
)

ANA, RUI = 1, 2
"""Their connections."""

MEMBERS = ("Ana", "Rui")
MESSAGES = [Message(seq, f"id-{seq}", "Ana", f"text {seq}") for seq in range(1, 8)]
ONE, TWO, THREE, FOUR, *_ = MESSAGES


def conversation(messages: Sequence[Message] = MESSAGES) -> list[Record]:
    """Both join; Ana sends, one after the other; everybody hears each, and she has her answer."""
    records: list[Record] = [fetched("Ana", 0.1), fetched("Rui", 0.2)]
    for message in messages:
        at = float(message.seq)
        records += [
            Sent(at, "Ana", message.id, message.text),
            Heard(at + 0.1, "Rui", RUI, message),
            Heard(at + 0.2, "Ana", ANA, message),
            Acked(at + 0.3, "Ana", message.id, message),
        ]
    return records


def fetched(member: str, at: float, *messages: Message, after: int = 0) -> Fetched:
    connection = ANA if member == "Ana" else RUI
    return Fetched(at, member, connection, after, after + len(messages), messages)


def heard_by_rui(history: Sequence[Record], message: Message) -> int:
    """Where in the history it stands."""
    return next(
        n for n, r in enumerate(history) if isinstance(r, Heard) and (r.member, r.message) == ("Rui", message)
    )


def found(verdict: Verdict) -> set[str]:
    """The kinds of faults."""
    return {name for name in Verdict.__slots__ if getattr(verdict, name)}


def test_nothing_is_wrong_with_a_right_history() -> None:
    assert judge(conversation(), MEMBERS) == Verdict((), (), (), (), ())
    assert judge(conversation(), MEMBERS).is_right


def test_a_message_that_was_missed_with_a_word_and_then_fetched_is_right() -> None:
    history = conversation()
    del history[heard_by_rui(history, TWO)]
    place = heard_by_rui(history, THREE)
    history[place + 1 : place + 1] = [Resynced(3.15, "Rui", RUI), fetched("Rui", 3.16, TWO, THREE, after=1)]
    assert judge(history, MEMBERS).is_right


def test_a_message_that_was_missed_while_away_is_right_once_it_is_fetched() -> None:
    history = conversation([ONE])
    history += [
        Ended(1.5, "Rui", RUI),
        *conversation([ONE, TWO])[-4:],
        Fetched(3.0, "Rui", 3, 1, 2, (TWO,)),
    ]
    del history[heard_by_rui(history, TWO)]
    assert judge(history, MEMBERS).is_right


def test_a_message_that_is_both_fetched_and_told_is_right() -> None:
    history = conversation([ONE, TWO])
    place = heard_by_rui(history, TWO)
    history.insert(place, fetched("Rui", 2.05, TWO, after=1))
    assert judge(history, MEMBERS).is_right


def test_a_repeated_acknowledgement_is_right() -> None:
    history = conversation()
    history.append(Acked(99.0, "Ana", ONE.id, ONE))
    assert judge(history, MEMBERS).is_right


def test_a_message_without_acknowledgement_may_be_nowhere_or_everywhere() -> None:
    history = conversation()
    assert judge([*history, Sent(99.0, "Ana", "id-99", "unheard")], MEMBERS).is_right
    assert judge(history[:-1], MEMBERS).is_right


def test_an_acknowledged_message_that_a_member_never_gets_is_lost() -> None:
    history = conversation()
    del history[heard_by_rui(history, MESSAGES[-1])]
    verdict = judge(history, MEMBERS)
    assert found(verdict) == {"lost"}
    assert verdict.lost == ("Rui never got 'text 7' (seq 7), acknowledged to Ana",)
    assert judge(history, ["Ana"]).is_right


def test_a_message_told_twice_on_one_connection_is_duplicated() -> None:
    history = conversation()
    history.insert(heard_by_rui(history, TWO), Heard(2.05, "Rui", RUI, TWO))
    verdict = judge(history, MEMBERS)
    assert found(verdict) == {"duplicated"}
    assert verdict.duplicated == ("Rui (connection 2) was told seq 2 twice",)


def test_a_message_at_two_places_is_duplicated() -> None:
    again = Message(8, ONE.id, "Ana", ONE.text)
    told = [Heard(20.0, "Rui", RUI, again), Heard(20.0, "Ana", ANA, again)]
    verdict = judge([*conversation(), *told], MEMBERS)
    assert found(verdict) == {"duplicated"}
    assert verdict.duplicated == ("message id-1 stands at [1, 8]",)


def test_messages_told_in_another_order_are_inverted() -> None:
    history = conversation()
    second, third = heard_by_rui(history, TWO), heard_by_rui(history, THREE)
    history[second], history[third] = history[third], history[second]
    verdict = judge(history, MEMBERS)
    assert "inverted" in found(verdict)
    assert verdict.inverted == ("Rui (connection 2) was told seq 2 after 3",)


def test_a_message_before_one_that_was_acknowledged_earlier_is_inverted() -> None:
    history = conversation([replace(ONE, seq=2), replace(TWO, seq=1)])
    for number, record in enumerate(history):
        if isinstance(record, Heard):
            history[number] = replace(record, member="nobody", connection=9)
    verdict = judge(history, [])
    assert verdict.inverted[-1] == "'text 2' has seq 1, and was sent after 2 was acknowledged"


def test_a_hole_that_the_server_is_silent_about_is_found_even_when_it_was_filled_later() -> None:
    history = conversation()
    del history[heard_by_rui(history, TWO)]
    history.append(Fetched(30.0, "Rui", 3, 1, 2, (TWO,)))
    verdict = judge(history, MEMBERS)
    assert found(verdict) == {"holes"}
    assert verdict.holes == ("Rui (connection 2) was told seq 3 after 1, and of no gap",)


def test_a_word_about_a_gap_that_comes_too_late_does_not_count() -> None:
    history = conversation()
    del history[heard_by_rui(history, TWO)]
    history += [
        Resynced(3.2 + TOLD_OF_A_GAP_WITHIN_S, "Rui", RUI),
        fetched("Rui", 31.0, *MESSAGES[1:], after=1),
    ]
    assert found(judge(history, MEMBERS)) == {"holes"}


@pytest.mark.parametrize("got", [(TWO, FOUR), (THREE, TWO, FOUR), (TWO, THREE)])
def test_a_hole_in_an_answer_is_found(got: tuple[Message, ...]) -> None:
    history = [*conversation(), Fetched(30.0, "Rui", 3, 1, 4, got)]
    assert found(judge(history, MEMBERS)) == {"holes"}


@pytest.mark.parametrize(
    "other", [replace(TWO, text="another text"), replace(TWO, author="Rui"), replace(TWO, id=THREE.id)]
)
def test_a_message_that_is_another_one_for_somebody_is_altered(other: Message) -> None:
    history = conversation()
    place = heard_by_rui(history, TWO)
    history[place] = Heard(2.1, "Rui", RUI, other)
    assert "altered" in found(judge(history, MEMBERS))


def test_a_message_that_is_another_one_for_everybody_is_altered() -> None:
    history = [*conversation(), Fetched(30.0, "Rui", 3, 7, 8, (Message(8, "id-8", "Ana", "never sent"),))]
    assert found(judge(history, MEMBERS)) == {"altered"}
    changed = [
        replace(r, text="what was meant") if isinstance(r, Sent) and r.id == TWO.id else r for r in conversation()
    ]
    assert found(judge(changed, MEMBERS)) == {"altered"}


def test_an_answer_about_another_message_is_altered() -> None:
    history = [*conversation(), Acked(30.0, "Ana", TWO.id, THREE)]
    assert "altered" in found(judge(history, MEMBERS))
