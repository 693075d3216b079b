"""The service over a real bus: what is answered, what is told, and to whom."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from pulso.contract import Caller, Nothing
from pulso.errors import ServiceError
from pulso.message import Tell
from pulso.settings import KitSettings
from services.numbers import contract
from services.numbers.contract import SetValue, ValueAndStep
from tests.services.numbers.conftest import Gateway, gateway_on, served


def values_told(gateway: Gateway) -> list[tuple[ValueAndStep, str]]:
    """What the user's connections were told, and which was left out."""
    return [
        (msgspec.json.decode(tell.payload, type=ValueAndStep), tell.skip)
        for tell in gateway.told
        if isinstance(tell, Tell) and tell.event == "numbers:value"
    ]


async def test_new_user_begins_at_0_with_step_1(gateway: Gateway) -> None:
    assert await gateway.connect(gateway.caller("ana")) == ValueAndStep(0, 1)


async def test_value_is_stored_and_sent_to_the_next_connection(gateway: Gateway) -> None:
    assert (await gateway.set(gateway.caller("ana"), 37)).value == 37
    assert await gateway.connect(gateway.caller("ana", "tab-2")) == ValueAndStep(37, 1)


async def test_draws_have_their_parity_and_become_the_step(gateway: Gateway) -> None:
    ana = gateway.caller("ana")
    await gateway.set(ana, 37)
    for endpoint, possible in ((contract.EVEN, range(0, 100, 2)), (contract.ODD, range(1, 100, 2))):
        for _ in range(20):
            drawn = await gateway.call(endpoint, Nothing(), ana)
            assert drawn.number in possible
            assert await gateway.connect(ana) == ValueAndStep(37, drawn.number)


async def test_numbers_of_a_new_instance_are_those_of_the_one_before(kit: KitSettings) -> None:
    async with gateway_on(kit) as gateway:
        ana = gateway.caller("ana")
        async with served(kit):
            await gateway.serves()
            await gateway.set(ana, 37)
            step = (await gateway.even(ana)).number
        async with served(kit):
            await gateway.serves()
            assert await gateway.connect(ana) == ValueAndStep(37, step)
            # The step, too, is told to the user's tabs when only the value changes.
            await gateway.follow_user("ana")
            await gateway.set(ana, 38)
            assert values_told(gateway) == [(ValueAndStep(38, step), "tab-1")]


async def test_other_connections_are_told_of_each_change(gateway: Gateway) -> None:
    ana = gateway.caller("ana", "tab-1")
    await gateway.follow_user("ana")
    await gateway.set(ana, 37)
    step = (await gateway.even(ana)).number
    assert values_told(gateway) == [(ValueAndStep(37, 1), "tab-1"), (ValueAndStep(37, step), "tab-1")]


async def test_of_two_values_in_one_batch_the_later_wins_and_each_gets_its_own_answer(gateway: Gateway) -> None:
    await gateway.follow_user("ana")
    one, two = gateway.caller("ana", "tab-1"), gateway.caller("ana", "tab-2")
    answers = await asyncio.gather(gateway.set(one, 5), gateway.set(two, 7))
    assert [answer.value for answer in answers] == [5, 7]
    assert await gateway.connect(gateway.caller("ana", "tab-3")) == ValueAndStep(7, 1)
    # Only the tab that has set what stands now needs not be told.
    assert values_told(gateway) == [(ValueAndStep(7, 1), "tab-2")]


async def test_values_and_steps_of_one_user_at_once_do_not_undo_one_another(gateway: Gateway) -> None:
    ana = gateway.caller("ana")
    for value in range(50):
        set_, drawn = await asyncio.gather(gateway.set(ana, value), gateway.even(ana))
        assert await gateway.connect(ana) == ValueAndStep(set_.value, drawn.number)


async def test_a_thousand_calls_at_once_are_all_answered_with_their_own(gateway: Gateway) -> None:
    callers = [gateway.caller(f"u_{number}") for number in range(1_000)]
    answers = await asyncio.gather(*(gateway.set(caller, n % 100) for n, caller in enumerate(callers)))
    assert [answer.value for answer in answers] == [n % 100 for n in range(1_000)]


@pytest.mark.parametrize(
    "payload",
    [b'{"value": 100}', b'{"value": true}', b'{"value": "5"}', b"{}", b'{"value": 1, "x": 1}', b"[]", b"\xff"],
)
async def test_bad_values_are_refused_and_nothing_is_stored(gateway: Gateway, payload: bytes) -> None:
    ana = gateway.caller("ana")
    answered: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    gateway.bus.request(
        gateway.bus.channels.service("numbers", 0), "numbers:set", payload, ana,
        timeout_s=5, on_reply=lambda reply: answered.set_result(reply.code),
    )  # fmt: skip
    assert await answered == "bad_request"
    assert await gateway.connect(ana) == ValueAndStep(0, 1)


async def test_who_has_no_identity_is_refused(gateway: Gateway) -> None:
    with pytest.raises(ServiceError, match="unauthorized"):
        await gateway.call(contract.SET, SetValue(1), Caller("", "", "anonymous"))


async def test_watching_joins_the_board_and_unwatching_leaves_it(gateway: Gateway) -> None:
    ana = gateway.caller("ana")
    await gateway.call(contract.WATCH, Nothing(), ana)
    assert gateway.members == [("tab-1", "numbers.board")]
    await gateway.call(contract.UNWATCH, Nothing(), ana)
    assert gateway.members == []
