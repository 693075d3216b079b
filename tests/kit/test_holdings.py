"""The books on what gateways hold, fed with what gateways say: some of it lost, late or cut short."""

from __future__ import annotations

import random

import pytest

from pulso.connections import LEASE_S, RENEW_S, Announcement, OpenConnection, digest_of
from pulso.holdings import ASK_AGAIN_S, Holdings


class Books(Holdings):
    """Holdings that remember what they told."""

    def __init__(self) -> None:
        self.open: dict[str, OpenConnection] = {}
        self.closed_at: dict[str, float] = {}
        self.asked: list[str] = []
        super().__init__(self, self.asked.append)

    def opened(self, connection: OpenConnection) -> None:
        assert connection.id not in self.open, "told twice"
        self.open[connection.id] = connection

    def closed(self, connection: OpenConnection, at: float) -> None:
        assert self.open.pop(connection.id) == connection
        self.closed_at[connection.id] = at


class Gateway:
    """What a gateway says, in the order in which it says it."""

    def __init__(self, name: str = "gw-1") -> None:
        self.name = name
        self.held: dict[str, OpenConnection] = {}

    def open(self, id_: str, user: str = "u_ana") -> Announcement:
        connection = OpenConnection(id_, user, user.title(), "user", self.name, "203.0.113.7", 1_000)
        self.held[id_] = connection
        return self._say(opened=(connection,))

    def close(self, id_: str) -> Announcement:
        del self.held[id_]
        return self._say(closed=(id_,))

    def renew(self) -> Announcement:
        return self._say()

    def leave(self) -> Announcement:
        self.held.clear()
        return self._say(leaves=True)

    def list(self, parts: int = 1) -> list[Announcement]:
        all_ = list(self.held.values())
        size = -(-len(all_) // parts)
        return [
            self._say(opened=tuple(all_[part * size : (part + 1) * size]), part=part + 1, parts=parts)
            for part in range(parts)
        ]

    def _say(self, **what: object) -> Announcement:
        digest = 0
        for connection in self.held.values():
            digest ^= digest_of(connection)
        return Announcement(self.name, len(self.held), digest, **what)  # type: ignore[arg-type]  # passed on


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_what_is_opened_and_closed_is_told_and_nobody_is_asked(books: Books, gateway: Gateway) -> None:
    books.take(gateway.open("a"), 1.0)
    books.take(gateway.open("b"), 2.0)
    books.take(gateway.close("a"), 3.0)
    books.take(gateway.renew(), 4.0)
    assert set(books.open) == {"b"}
    assert books.closed_at == {"a": 3.0}
    assert books.asked == []


def test_a_lost_opening_and_a_lost_closing_are_found_out_and_made_good(books: Books, gateway: Gateway) -> None:
    books.take(gateway.open("a"), 1.0)
    gateway.close("a")
    gateway.open("b")
    books.take(gateway.renew(), 2.0)
    assert books.asked == ["gw-1"]
    for part in gateway.list():
        books.take(part, 3.0)
    assert set(books.open) == {"b"}
    assert books.closed_at == {"a": 3.0}
    books.take(gateway.renew(), 4.0)
    assert books.asked == ["gw-1"]


def test_one_for_another_is_found_out_though_their_number_is_right(books: Books, gateway: Gateway) -> None:
    books.take(gateway.open("a"), 1.0)
    gateway.close("a")
    gateway.open("b")
    gateway.close("b")
    books.take(gateway.open("c"), 2.0)
    assert books.asked == ["gw-1"]


def test_a_gateway_is_asked_once_a_second_until_it_has_answered(books: Books, gateway: Gateway) -> None:
    gateway.open("lost")
    for hundredth in range(300):
        books.take(gateway.renew(), hundredth / 100)
    assert len(books.asked) == 3 / ASK_AGAIN_S


def test_a_list_in_parts_counts_when_all_are_there(books: Books, gateway: Gateway) -> None:
    for number in range(10):
        gateway.open(f"c{number}")
    first, second, third = gateway.list(3)
    books.take(first, 1.0)
    books.take(second, 1.0)
    assert (books.open, books.listed) == ({}, set())
    books.take(third, 1.0)
    assert set(books.open) == set(gateway.held)
    assert books.listed == {"gw-1"}
    assert books.asked == []


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_list_that_lacks_a_part_changes_nothing_and_is_asked_for_again(
    books: Books, gateway: Gateway, lost: int
) -> None:
    books.take(gateway.open("a"), 1.0)
    for number in range(10):
        gateway.open(f"c{number}")
    for number, part in enumerate(gateway.list(3)):
        if number != lost:
            books.take(part, 2.0)
    books.take(gateway.renew(), 4.0)
    assert set(books.open) == {"a"}
    assert books.asked == ["gw-1"]
    for part in gateway.list(3):
        books.take(part, 5.0)
    assert set(books.open) == set(gateway.held)


def test_an_empty_gateway_lists_nothing_and_counts(books: Books, gateway: Gateway) -> None:
    for part in gateway.list():
        books.take(part, 1.0)
    assert books.listed == {"gw-1"}


def test_a_silent_gateway_is_given_up_as_of_when_it_should_have_been_heard(books: Books, gateway: Gateway) -> None:
    books.take(gateway.open("a"), 10.0)
    books.expire(10.0 + LEASE_S - 0.01)
    assert set(books.open) == {"a"}
    books.expire(10.0 + LEASE_S)
    assert books.closed_at == {"a": 10.0 + RENEW_S}


def test_a_gateway_that_was_given_up_and_speaks_again_is_asked_for_everything(
    books: Books, gateway: Gateway
) -> None:
    books.take(gateway.open("a"), 1.0)
    books.expire(1.0 + LEASE_S)
    books.take(gateway.renew(), 10.0)
    assert books.asked == ["gw-1"]
    for part in gateway.list():
        books.take(part, 10.1)
    assert set(books.open) == {"a"}


def test_a_gateway_is_not_given_up_for_the_time_in_which_nobody_could_be_heard(
    books: Books, gateway: Gateway
) -> None:
    books.take(gateway.open("a"), 1.0)
    books.hold_on(100.0)
    books.expire(100.0 + LEASE_S - 0.01)
    assert set(books.open) == {"a"}


def test_a_gateway_that_leaves_takes_all_along_at_once(books: Books, gateway: Gateway) -> None:
    other = Gateway("gw-2")
    books.take(gateway.open("a"), 1.0)
    books.take(other.open("b"), 1.0)
    books.take(gateway.leave(), 2.0)
    assert set(books.open) == {"b"}
    assert books.closed_at == {"a": 2.0}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_lost_the_books_are_right_after_the_next_list(books: Books, seed: int) -> None:
    chance = random.Random(seed)
    gateways = [Gateway(f"gw-{number}") for number in range(3)]
    for step in range(500):
        gateway = chance.choice(gateways)
        if gateway.held and chance.random() < 0.4:
            said = gateway.close(chance.choice(list(gateway.held)))
        else:
            said = gateway.open(f"c{step}", f"u_{chance.randrange(20)}")
        if chance.random() < 0.8:
            books.take(said, step / 100)
        if books.asked and chance.random() < 0.1:
            for part in next(g for g in gateways if g.name == books.asked[-1]).list(chance.randrange(1, 4)):
                if chance.random() < 0.8:
                    books.take(part, step / 100)
    books.asked.clear()
    for gateway in gateways:
        books.take(gateway.renew(), 100.0)
    for name in books.asked:
        for part in next(g for g in gateways if g.name == name).list():
            books.take(part, 101.0)
    assert set(books.open) == {id_ for gateway in gateways for id_ in gateway.held}
