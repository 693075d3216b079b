"""Waits between tries."""

from __future__ import annotations

from random import Random

from cli.live.backoff import MOST_S, wait_s


def test_waits_grow_to_five_seconds_and_half_of_each_is_chance() -> None:
    chance = Random(7)
    for failures in range(2_000):
        most = min(MOST_S, 0.4 * 2 ** min(failures, 10))
        assert most / 2 <= wait_s(failures, chance) <= most
    assert len({wait_s(3, chance) for _ in range(100)}) == 100
