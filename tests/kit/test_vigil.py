"""Which calls are given up, by how many listen to the channels that owe answers."""

from __future__ import annotations

from collections.abc import Callable

from pulso.vigil import Vigil


class Bus:
    """Channels with so many listeners, and ids that wait."""

    def __init__(self) -> None:
        self.pending: set[int] = set()
        self.listeners = {"svc": 1}
        self.counted: list[str] = []
        self.vigil = Vigil(self.pending, self._count, self.pending.discard)

    def ask(self, *ids: int, channel: str = "svc") -> None:
        self.pending.update(ids)
        self.vigil.sent(channel, list(ids))

    def looks(self, times: int = 1) -> None:
        for _ in range(times):
            self.vigil.look()

    def _count(self, channel: str, on_count: Callable[[int], None]) -> None:
        self.counted.append(channel)
        on_count(self.listeners[channel])


def test_nobody_is_counted_while_all_is_answered_soon() -> None:
    bus = Bus()
    for id_ in range(5):
        bus.ask(id_)
        bus.pending.clear()
        bus.looks()
    bus.ask(9)
    bus.looks()
    assert bus.counted == []


def test_what_a_listener_has_in_hand_is_waited_for() -> None:
    bus = Bus()
    bus.ask(1)
    bus.looks(10)
    assert bus.pending == {1}


def test_what_a_deserted_channel_owes_is_given_up_at_the_second_count() -> None:
    bus = Bus()
    bus.ask(1, 2)
    bus.ask(3)
    bus.listeners["svc"] = 0
    bus.looks(2)
    assert bus.pending == {1, 2, 3}
    bus.looks()
    assert bus.pending == set()


def test_a_channel_that_is_listened_to_again_in_between_is_not_deserted() -> None:
    bus = Bus()
    bus.ask(1)
    bus.listeners["svc"] = 0
    bus.looks(2)
    bus.listeners["svc"] = 1
    bus.looks()
    bus.listeners["svc"] = 0
    bus.looks()
    assert bus.pending == {1}


def test_what_was_asked_between_the_counts_has_its_own() -> None:
    bus = Bus()
    bus.ask(1)
    bus.listeners["svc"] = 0
    bus.looks(2)
    bus.ask(2)
    bus.looks()
    assert bus.pending == {2}
    bus.looks()
    assert bus.pending == set()


def test_channels_are_told_apart() -> None:
    bus = Bus()
    bus.listeners["other"] = 0
    bus.ask(1)
    bus.ask(2, channel="other")
    bus.looks(5)
    assert bus.pending == {1}


def test_nothing_is_kept_of_what_is_answered() -> None:
    bus = Bus()
    bus.ask(1)
    bus.pending.clear()
    bus.looks()
    assert bus.vigil._channels == {}
