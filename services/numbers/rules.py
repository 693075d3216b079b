"""The rules of the numbers, pure: what is drawn, where everybody begins, how the board is laid out."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence
from typing import Final

from services.numbers.contract import Board, BoardRow, ValueAndStep

SIZE: Final = 100
"""Values and steps are 0 to 99."""

BOARD_ROWS: Final = 100
BEGINNING: Final = ValueAndStep(value=0, step=1)
"""Where a user stands of whom nothing is stored."""


def draw_even(chance: random.Random) -> int:
    """One of 0, 2, ... 98, each as likely as the others."""
    return 2 * chance.randrange(SIZE // 2)


def draw_odd(chance: random.Random) -> int:
    """One of 1, 3, ... 99, each as likely as the others."""
    return draw_even(chance) + 1


def board_of(rows: Sequence[BoardRow]) -> Board:
    """The board of these active users: the first `BOARD_ROWS` by name, all of them counted."""
    histogram = [0] * SIZE
    for row in rows:
        histogram[row.value] += 1
    return Board(len(rows), heapq.nsmallest(BOARD_ROWS, rows, key=_by_name), histogram)


def merged(boards: Iterable[Board]) -> Board:
    """One board of several, whose users are different ones."""
    active, rows, histogram = 0, list[BoardRow](), [0] * SIZE
    for board in boards:
        active += board.active
        rows += board.values
        histogram = [ours + theirs for ours, theirs in zip(histogram, board.histogram, strict=True)]
    return Board(active, heapq.nsmallest(BOARD_ROWS, rows, key=_by_name), histogram)


def _by_name(row: BoardRow) -> tuple[str, str]:
    return row.user.casefold(), row.user
