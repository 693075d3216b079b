"""Who is there, by the feed of connections: pure first, then over a real Redis with gateways that come and go."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection

import pytest

from pulso import attendance as module
from pulso import holdings
from pulso.announcer import Announcer
from pulso.attendance import Attendance, attending
from pulso.channels import Channels
from pulso.connections import ANNOUNCED, LEASE_S, MAX_LISTED, ROLL_CALL, OpenConnection
from pulso.message import Envelope, Tell
from pulso.party import Connected, connected, running
from pulso.settings import KitSettings
from tests.redis_server import RedisServer
from tests.waiting import eventually, in_own_task

GRACE_S = 0.3


def connection(id_: str, user: str = "u_ana", gateway: str = "gw-1") -> OpenConnection:
    return OpenConnection(id_, user, user.title(), "user", gateway, "203.0.113.7", 1_000)


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.open: dict[str, OpenConnection] = {}
        self.gone: list[str] = []

    def opened(self, connection: OpenConnection) -> None:
        self.open[connection.id] = connection

    def closed(self, connection: OpenConnection) -> None:
        del self.open[connection.id]

    def left(self, user: str) -> None:
        self.gone.append(user)

    @property
    def users(self) -> set[str]:
        return {connection.user for connection in self.open.values()}


def test_a_user_leaves_once_when_the_grace_after_the_last_connection_is_over() -> None:
    notes = Notes()
    attendance = Attendance(notes, grace_s=5.0)
    one, two = connection("a"), connection("b")
    attendance.opened(one)
    attendance.opened(two)
    attendance.closed(one, 10.0)
    attendance.see_off(100.0)
    assert notes.gone == []
    assert list(attendance.connections("u_ana")) == [two]
    attendance.closed(two, 100.0)
    attendance.see_off(104.9)
    assert notes.gone == []
    assert attendance.is_there("u_ana")
    attendance.see_off(105.0)
    attendance.see_off(200.0)
    assert notes.gone == ["u_ana"]
    assert not attendance.is_there("u_ana")


def test_who_comes_back_within_the_grace_has_not_left() -> None:
    notes = Notes()
    attendance = Attendance(notes, grace_s=5.0)
    attendance.opened(connection("a"))
    attendance.closed(connection("a"), 10.0)
    attendance.opened(connection("b", gateway="gw-2"))
    attendance.see_off(100.0)
    assert notes.gone == []


def test_who_was_known_and_does_not_turn_up_leaves_after_the_grace() -> None:
    notes = Notes()
    attendance = Attendance(notes, grace_s=5.0)
    attendance.opened(connection("a"))
    attendance.remember({"u_ana", "u_rui"}, 10.0)
    attendance.see_off(14.9)
    assert notes.gone == []
    attendance.see_off(15.0)
    assert notes.gone == ["u_rui"]


def test_nobody_leaves_for_the_time_in_which_nobody_could_be_heard() -> None:
    notes = Notes()
    attendance = Attendance(notes, grace_s=5.0)
    attendance.opened(connection("a"))
    attendance.closed(connection("a"), 10.0)
    attendance.hold_on(100.0)
    attendance.see_off(104.9)
    assert notes.gone == []
    attendance.see_off(105.0)
    assert notes.gone == ["u_ana"]


class Gateway:
    """A real announcer on a link of its own, which hears the roll being called; `deaf`, it does not."""

    def __init__(self, up: Connected) -> None:
        self.id = up.instance
        self.announcer = Announcer(up.bus, gateway=up.instance)
        self.calls = 0
        self.deaf = False

    def open(self, id_: str, user: str) -> None:
        self.announcer.opened(connection(id_, user, self.id))

    def close(self, id_: str) -> None:
        self.announcer.closed(id_)

    def hear(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            if isinstance(envelope, Tell) and envelope.event == ROLL_CALL and not self.deaf:
                self.calls += 1
                self.announcer.heed(envelope.payload)


@contextlib.asynccontextmanager
async def gateway_on(kit: KitSettings, name: str = "gw") -> AsyncIterator[Gateway]:
    """Left without a word, as if it was killed."""
    async with connected(kit, name=name, inbox=Channels.gateway) as up:
        gateway = Gateway(up)
        await up.bus.listen(up.bus.channels.control, gateway.hear)
        up.link.on_gap(gateway.announcer.renew)
        async with running(gateway.announcer.run()):
            yield gateway


@contextlib.asynccontextmanager
async def noting(
    kit: KitSettings, *, known: Collection[str] = (), gateways: Collection[str] = ()
) -> AsyncIterator[Notes]:
    notes = Notes()
    async with (
        connected(kit, name="follower", inbox=Channels.gateway) as up,
        attending(up.bus, notes, grace_s=GRACE_S, known=known, known_gateways=gateways),
    ):
        yield notes


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulso.announcer.RENEW_S", 0.1)
    monkeypatch.setattr(holdings, "RENEW_S", 0.1)
    monkeypatch.setattr(holdings, "LEASE_S", 2.0)  # a busy machine may stall for a while
    monkeypatch.setattr(holdings, "ASK_AGAIN_S", 0.1)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)


@pytest.fixture
async def two_gateways(kit: KitSettings) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with in_own_task(gateway_on(kit)) as one, in_own_task(gateway_on(kit)) as other:
        yield one, other


async def test_a_user_of_two_gateways_leaves_with_the_last_connection(
    kit: KitSettings, two_gateways: tuple[Gateway, Gateway]
) -> None:
    one, other = two_gateways
    async with noting(kit) as notes:
        one.open("a", "u_ana")
        other.open("b", "u_ana")
        other.open("c", "u_rui")
        await eventually(lambda: set(notes.open) == {"a", "b", "c"})
        one.close("a")
        other.close("c")
        await eventually(lambda: notes.gone == ["u_rui"])
        other.close("b")
        await eventually(lambda: notes.gone == ["u_rui", "u_ana"])


async def test_who_starts_later_knows_everybody_at_once(
    kit: KitSettings, two_gateways: tuple[Gateway, Gateway]
) -> None:
    one, other = two_gateways
    for number in range(MAX_LISTED * 3 + 1):
        one.open(f"a{number}", f"u_{number}")
    other.open("b", "u_ana")
    async with noting(kit, known=["u_ana", "u_rui"]) as notes:
        assert len(notes.open) == MAX_LISTED * 3 + 2
        await eventually(lambda: notes.gone == ["u_rui"])


async def test_no_part_of_a_long_list_is_a_large_message(
    kit: KitSettings, two_gateways: tuple[Gateway, Gateway], party: Connected
) -> None:
    one, _ = two_gateways
    sizes: list[int] = []
    await party.bus.listen(party.bus.channels.connections, lambda batch: sizes.extend(
        len(envelope.payload) for envelope in batch if isinstance(envelope, Tell)
    ))  # fmt: skip
    for number in range(10_000):
        one.open(f"{number:020}", f"u_{number:016}")
    async with noting(kit) as notes:
        await eventually(lambda: len(notes.open) == 10_000)
    assert max(sizes) < 200_000


async def test_a_gateway_that_fell_silent_loses_its_users(kit: KitSettings, short_leases: None) -> None:
    async with noting(kit) as notes, gateway_on(kit) as kept:
        kept.open("a", "u_ana")
        async with gateway_on(kit) as killed:
            killed.open("b", "u_ana")
            killed.open("c", "u_rui")
            await eventually(lambda: set(notes.open) == {"a", "b", "c"})
        await eventually(lambda: set(notes.open) == {"a"})
        await eventually(lambda: notes.gone == ["u_rui"])


async def test_a_gateway_that_leaves_in_order_needs_no_lease_to_end(kit: KitSettings) -> None:
    async with noting(kit) as notes, gateway_on(kit) as gateway:
        gateway.open("a", "u_ana")
        await eventually(lambda: notes.open)
        gateway.announcer.leave()
        await eventually(lambda: not notes.open, within_s=LEASE_S / 2)


async def test_what_got_lost_is_found_by_the_digest(
    kit: KitSettings, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with noting(kit) as notes, gateway_on(kit) as gateway:
        gateway.open("a", "u_ana")
        await eventually(lambda: set(notes.open) == {"a"})
        with monkeypatch.context() as patched:
            patched.setattr(gateway.announcer, "_announce", lambda **_: None)
            gateway.open("b", "u_rui")
            gateway.close("a")
        await eventually(lambda: set(notes.open) == {"b"})
        calls = gateway.calls
        gateway.open("c", "u_rui")
        await eventually(lambda: set(notes.open) == {"b", "c"})
        assert gateway.calls == calls


async def test_a_foreign_message_on_the_feed_is_passed_over(
    kit: KitSettings, two_gateways: tuple[Gateway, Gateway], party: Connected
) -> None:
    one, _ = two_gateways
    async with noting(kit) as notes:
        for payload in (b"", b"\xff", b"{}", b"\x93\x01\x02\x03"):
            party.bus.send(party.bus.channels.connections, Tell(ANNOUNCED, payload))
        await party.bus.settle()
        one.open("a", "u_ana")
        await eventually(lambda: set(notes.open) == {"a"})


async def test_a_gateway_that_does_not_answer_is_not_waited_for_forever(
    kit: KitSettings, two_gateways: tuple[Gateway, Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.2)
    one, hung = two_gateways
    one.open("a", "u_ana")
    hung.open("b", "u_rui")
    hung.deaf = True
    async with noting(kit, known=["u_ana", "u_rui"], gateways=[one.id, hung.id]) as notes:
        assert "a" in notes.open


async def test_a_restart_of_redis_takes_nobody_away_and_loses_nobody(
    own_kit: KitSettings, own_redis: RedisServer
) -> None:
    async with gateway_on(own_kit) as gateway, noting(own_kit) as notes:
        gateway.open("a", "u_ana")
        gateway.open("b", "u_rui")
        await eventually(lambda: set(notes.open) == {"a", "b"})
        own_redis.kill()
        gateway.close("b")
        gateway.open("c", "u_eva")
        own_redis.start()
        await eventually(lambda: set(notes.open) == {"a", "c"})
        await eventually(lambda: notes.gone == ["u_rui"])
