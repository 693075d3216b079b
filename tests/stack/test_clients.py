"""What people notice of three gateways, of a crash and of restarts: nothing, or a short reconnect."""

from __future__ import annotations

import time

import pytest

from tests.stack.clients import Clients, Seen
from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

BACK_WITHIN_S = 5
CROWD = [f"client-{number}" for number in range(9)]


def enter(clients: Clients, names: list[str]) -> None:
    """Connect, and give each a value of its own that is acknowledged."""
    for name in names:
        clients.open(name)
    for number, name in enumerate(names):
        clients.wait_for(name, "value")
        clients.set(name, 10 + number)


def test_clients_are_spread_over_all_gateways(stack: Stack, clients: Clients) -> None:
    enter(clients, CROWD)
    assert len({clients.gateway(name) for name in CROWD}) == len(stack.containers("gateway")) == 3


@pytest.mark.parametrize("cookies", [True, False], ids=["cookie", "no cookie"])
@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")], ids=["polling", "upgrade"])
def test_a_polling_session_stays_with_its_gateway(
    clients: Clients, transports: tuple[str, ...], cookies: bool
) -> None:
    names = [f"poll-{number}" for number in range(3)]
    for name in names:
        clients.open(name, transports=transports, cookies=cookies)
    for name in names:
        clients.wait_for(name, "value")
    for value in range(10):
        for name in names:
            clients.set(name, value)
    assert {one["event"] for one in clients.seen} == {"ready", "value", "acked"}


def test_a_killed_gateway_costs_its_clients_five_seconds_and_no_value(stack: Stack, clients: Clients) -> None:
    enter(clients, CROWD)
    before = {name: clients.gateway(name) for name in CROWD}
    since = clients.mark()
    killed_at = time.monotonic()
    stack.kill(stack.containers("gateway")[0])

    first = clients.wait_until(lambda: first_disconnect(clients, since), "a disconnected client", BACK_WITHIN_S)
    lost = before[first["client"]]
    for number, name in enumerate(CROWD):
        if before[name] == lost:
            left_s = BACK_WITHIN_S - (time.monotonic() - killed_at)
            back = clients.wait_for(name, "value", since=since, timeout_s=left_s)
            assert back["value"] == 10 + number
            assert clients.gateway(name) != lost
        else:
            assert clients.of(name, since) == []
    for number, name in enumerate(CROWD):
        clients.set(name, 50 + number)


def test_a_gateway_that_is_added_gets_clients(stack: Stack, clients: Clients) -> None:
    stack.kill(stack.containers("gateway")[0])
    enter(clients, CROWD)
    before = {clients.gateway(name) for name in CROWD}
    stack.up(gateways=3)
    # nginx asks for the addresses every two seconds, so it takes some newcomers until one is sent there.
    found_until = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < found_until:
        name = f"newcomer-{clients.mark()}"
        clients.open(name)
        clients.wait_for(name, "value")
        if clients.gateway(name) not in before:
            return
    pytest.fail("no newcomer reached the added gateway")


def test_killed_numbers_lose_no_acknowledged_value(stack: Stack, clients: Clients) -> None:
    enter(clients, CROWD[:3])
    stack.kill(stack.containers("numbers")[0])
    stack.up(gateways=3)
    since = clients.mark()
    clients.open("witness")
    clients.wait_for("witness", "value", since=since)
    for number, name in enumerate(CROWD[:3]):
        assert clients.of(name)[-1] == {"client": name, "event": "acked", "value": 10 + number}
        clients.set(name, 40 + number, timeout_s=20)


def test_a_restart_of_redis_is_survived(stack: Stack, clients: Clients) -> None:
    enter(clients, CROWD[:3])
    stack.compose("restart", "redis")
    for number, name in enumerate(CROWD[:3]):
        clients.set(name, 60 + number, timeout_s=30)


def test_values_outlive_the_whole_stack(stack: Stack, clients: Clients) -> None:
    enter(clients, CROWD[:3])
    stack.down()
    since = clients.mark()
    stack.up(gateways=2)
    for number, name in enumerate(CROWD[:3]):
        assert clients.wait_for(name, "value", since=since, timeout_s=30)["value"] == 10 + number


def first_disconnect(clients: Clients, since: int) -> Seen | None:
    return next((one for one in clients.seen[since:] if one["event"] == "disconnect"), None)
