"""Rules of the numbers: parity, range, and a board that is the same however it is put together."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.numbers.contract import BoardRow, SetValue
from services.numbers.rules import BOARD_ROWS, board_of, draw_even, draw_odd, merged

hundred = st.integers(0, 99)
rows = st.builds(BoardRow, user=st.text(max_size=5), value=hundred, step=hundred)
chances = st.randoms(use_true_random=False)


@given(chances)
def test_even_draws_are_even_and_in_range(chance: random.Random) -> None:
    assert draw_even(chance) in range(0, 100, 2)


@given(chances)
def test_odd_draws_are_odd_and_in_range(chance: random.Random) -> None:
    assert draw_odd(chance) in range(1, 100, 2)


def test_every_number_of_a_parity_is_drawn_equally_often() -> None:
    chance = random.Random(1)
    for draw, possible in ((draw_even, range(0, 100, 2)), (draw_odd, range(1, 100, 2))):
        drawn = [draw(chance) for _ in range(50_000)]
        assert set(drawn) == set(possible)
        # 1,000 of each are expected, with a standard deviation of 31.
        assert all(850 < drawn.count(number) < 1150 for number in possible)


@pytest.mark.parametrize("value", ["100", "-1", "1.5", "1.0", "true", '"5"', "null", "NaN", "1e400", "[1]"])
def test_only_whole_numbers_from_0_to_99_are_values(value: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(f'{{"value": {value}}}'.encode(), type=SetValue)


@given(hundred)
def test_every_number_from_0_to_99_is_a_value(value: int) -> None:
    assert msgspec.json.decode(f'{{"value": {value}}}'.encode(), type=SetValue).value == value


@given(st.lists(rows, max_size=150))
def test_board_counts_everybody_and_shows_the_first_by_name(users: list[BoardRow]) -> None:
    board = board_of(users)
    assert board.active == len(users) == sum(board.histogram)
    assert len(board.histogram) == 100
    assert all(board.histogram[row.value] for row in users)
    assert len(board.values) == min(len(users), BOARD_ROWS)
    assert all(a.user.casefold() <= b.user.casefold() for a, b in pairwise(board.values))


@given(st.lists(st.lists(rows, max_size=120), max_size=4))
def test_shards_together_make_the_board_of_all_users(shards: list[list[BoardRow]]) -> None:
    together = merged(map(board_of, shards))
    alone = board_of([row for users in shards for row in users])
    assert (together.active, together.histogram) == (alone.active, alone.histogram)
    assert [row.user for row in together.values] == [row.user for row in alone.values]
