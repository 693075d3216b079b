"""When number clients send, in a time of the tests' own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

from cli.live.number_client import NumberClient
from cli.live.rhythm import Rhythm

TURN_S = 0.001


class Recorder:
    """Stands in for a number client: writes down when it is called."""

    def __init__(self, clock: list[float]) -> None:
        self.is_live, self.runs = True, 1
        self.values: list[float] = []
        self.draws: list[float] = []
        self._clock = clock

    def next_value(self, _due_at: float) -> bytes:
        return b"value"

    def draw(self, _due_at: float) -> bytes:
        return b"draw"

    def send(self, frame: bytes) -> None:
        (self.values if frame == b"value" else self.draws).append(self._clock[0])


class Time:
    def __init__(self, rhythm: Rhythm) -> None:
        self.rhythm = rhythm
        self.now = [0.0]

    def begin(self) -> Recorder:
        recorder = Recorder(self.now)
        self.rhythm.begin(cast(NumberClient, cast(Any, recorder)), now=self.now[0])
        return recorder

    def passes(self, seconds: float) -> None:
        begin = self.now[0]
        for turn in range(1, round(seconds / TURN_S) + 1):
            self.now[0] = begin + turn * TURN_S
            self.rhythm.turn(self.now[0])


@pytest.fixture
def time() -> Time:
    return Time(Rhythm())


def test_twenty_values_in_ten_seconds(time: Time) -> None:
    client = time.begin()
    time.passes(10)
    assert len(client.values) in (19, 20)
    assert all(abs(later - earlier - 0.5) < 0.01 for earlier, later in pairwise(client.values))


def test_values_come_as_often_as_they_are_to() -> None:
    time = Time(Rhythm(value_every_s=0.25))
    client = time.begin()
    time.passes(10)
    assert len(client.values) in (39, 40)


def test_draws_come_after_three_to_five_seconds_each_time_another(time: Time) -> None:
    client = time.begin()
    time.passes(200)
    gaps = [later - earlier for earlier, later in pairwise([0.0, *client.draws])]
    assert 40 <= len(gaps) <= 67
    assert all(2.99 <= gap <= 5.01 for gap in gaps)
    assert len({round(gap, 2) for gap in gaps}) > 20


def test_what_was_slept_through_is_not_made_up_for(time: Time) -> None:
    client = time.begin()
    time.now[0] = 10.2
    time.rhythm.turn(10.2)
    assert len(client.values) == 1
    time.passes(0.9)
    assert [round(at, 1) for at in client.values] == [10.2, 10.5, 11.0]


def test_a_client_that_is_lost_sends_nothing_and_its_old_beats_do_not_come_back(time: Time) -> None:
    client = time.begin()
    time.passes(1.1)
    client.is_live = False
    time.passes(1)
    assert len(client.values) == 2
    client.is_live, client.runs = True, 2
    time.passes(1)
    assert len(client.values) == 2


def test_after_the_stop_nothing_is_sent_by_newcomers_either(time: Time) -> None:
    time.rhythm.stop()
    client = time.begin()
    time.passes(6)
    assert (client.values, client.draws) == ([], [])
