"""What numbers offers: a running value for everybody, even and odd draws, the board of all values, and F(n)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Surface, Topic

MAX_N: Final = 100_000
"""F(n) is answered up to here: 20,899 digits."""

Hundred = Annotated[int, msgspec.Meta(ge=0, le=99)]


class SetValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's new value: `{"value": 37}`."""

    value: Hundred


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value as committed: `{"value": 37}`."""

    value: Hundred


class AskFibonacci(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which Fibonacci number: `{"n": 10}`."""

    n: Annotated[int, msgspec.Meta(ge=0, le=MAX_N, description=f"a whole number from 0 to {MAX_N}")]


class Fibonacci(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """F(n), as text because JavaScript's numbers end at 2^53: `{"n": 10, "value": "55", "digits": 2}`."""

    n: int
    value: str
    digits: int


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A drawn number, from now on the caller's step: `{"number": 42}`."""

    number: Hundred


class ValueAndStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the user's number stands: `{"value": 37, "step": 42}`."""

    value: Hundred
    step: Hundred


class BoardRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One active user: `{"user": "Ana", "value": 37, "step": 42}`."""

    user: str
    value: Hundred
    step: Hundred


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everybody's values: how many users are active, the first 100 of them, and how many stand at 0 to 99.

    `{"active": 2, "values": [{"user": "Ana", "value": 37, "step": 42}, ...], "histogram": [0, 1, ...]}`
    """

    active: int
    values: list[BoardRow]
    histogram: list[int]


SET: Final = Endpoint(
    "numbers:set",
    SetValue,
    Value,
    Access.GUEST,
    "Store the caller's value; the ack comes after the commit.",
    example=Example(SetValue(37), Value(37)),
)
EVEN: Final = Endpoint(
    "numbers:even",
    Nothing,
    Number,
    Access.GUEST,
    "Draw an even number, 0 to 98, as the caller's step.",
    example=Example(Nothing(), Number(42)),
)
ODD: Final = Endpoint(
    "numbers:odd",
    Nothing,
    Number,
    Access.GUEST,
    "Draw an odd number, 1 to 99, as the caller's step.",
    example=Example(Nothing(), Number(43)),
)
WATCH: Final = Endpoint(
    "numbers:watch", Nothing, Nothing, Access.GUEST, "Follow the board of all values.", surface=Surface.SOCKET
)
UNWATCH: Final = Endpoint(
    "numbers:unwatch", Nothing, Nothing, Access.GUEST, "Stop following the board.", surface=Surface.SOCKET
)
FIBONACCI: Final = Endpoint(
    "numbers:fibonacci",
    AskFibonacci,
    Fibonacci,
    Access.GUEST,
    f"The exact Fibonacci number F(n), n from 0 to {MAX_N}, to whoever asks and nobody else.",
    reads=True,
    example=Example(AskFibonacci(10), Fibonacci(10, "55", 2)),
)
CONNECTED: Final = Endpoint(
    "numbers:connected",
    Nothing,
    Nothing,
    Access.GUEST,
    "A connection opened: it is sent its user's value.",
    surface=Surface.INTERNAL,
    on_connect=True,
)

VALUE: Final = Event(
    "numbers:value",
    ValueAndStep,
    "The user's value and step: on connect, and to the user's other connections when it changes.",
    example=ValueAndStep(37, 42),
    on_connect=True,
)
BOARD_EVENT: Final = Event(
    "numbers:board",
    Board,
    "Everybody's values, once a second.",
    example=Board(1, [BoardRow("Ana", 37, 42)], [int(value == 37) for value in range(100)]),
)
BOARD: Final = Topic("numbers.board", (BOARD_EVENT,))

CONTRACT: Final = Contract(
    service="numbers",
    endpoints=(SET, EVEN, ODD, WATCH, UNWATCH, FIBONACCI, CONNECTED),
    topics=(BOARD,),
    events=(VALUE,),
)
