"""Who is here, who came and who went: each user once, however many connections."""

from __future__ import annotations

import pytest

from pulso.contract import Caller, Nothing
from pulso.errors import ServiceError
from pulso.settings import KitSettings
from services.presence import contract
from services.presence.contract import MAX_LISTED, ListPeople
from services.presence.rules import folded
from tests.services.presence.conftest import SINCE, Gateway, gateway_on
from tests.waiting import eventually


async def test_a_user_with_two_tabs_at_two_gateways_is_here_once(kit: KitSettings, gateway: Gateway) -> None:
    async with gateway_on(kit) as other:
        gateway.open("u_ana")
        other.open("u_ana")
        other.open("g_rui", kind="guest")
        await gateway.has_here(u_ana=2, g_rui=1)
        ana = (await gateway.here())["u_ana"]
        assert (ana.name, ana.kind, ana.since) == ("U_Ana", "user", SINCE)
        assert ana.gateways == sorted((gateway.id, other.id))
        assert gateway.heard("presence:joined") == ["u_ana", "g_rui"]


async def test_only_the_last_tab_leaves_and_only_after_the_grace(gateway: Gateway) -> None:
    one, two = gateway.open("u_ana"), gateway.open("u_ana")
    await gateway.has_here(u_ana=2)
    gateway.close(one)
    await gateway.has_here(u_ana=1)
    gateway.close(two)
    await gateway.has_here(u_ana=0)
    assert gateway.heard("presence:left") == []
    await eventually(lambda: gateway.heard("presence:left") == ["u_ana"])
    assert await gateway.here() == {}


async def test_a_reload_and_a_change_of_gateway_are_told_to_nobody(kit: KitSettings, gateway: Gateway) -> None:
    async with gateway_on(kit) as other:
        gateway.close(gateway.open("u_ana"))
        other.open("u_ana")
        rui = gateway.open("u_rui")
        await gateway.has_here(u_ana=1, u_rui=1)
        gateway.close(rui)
        # Rui's leaving shows that Ana's would have been told by now.
        await eventually(lambda: gateway.heard("presence:left") == ["u_rui"])
        assert gateway.heard("presence:joined") == ["u_ana", "u_rui"]


async def test_who_comes_and_goes_at_once_has_joined_and_then_left(gateway: Gateway) -> None:
    gateway.close(gateway.open("u_ana"))
    await eventually(lambda: gateway.heard("presence:left") == ["u_ana"])
    assert gateway.heard("presence:joined") == ["u_ana"]


async def test_watchers_hear_how_connections_change_and_how_many_are_here(gateway: Gateway) -> None:
    gateway.open("u_ana")
    gateway.open("u_ana")
    rui = gateway.open("u_rui")

    def latest(user: str) -> int | None:
        changes = [person for _, told in changed(gateway) for person in told["users"] if person["id"] == user]
        return changes[-1]["connections"] if changes else None

    await eventually(lambda: (latest("u_ana"), latest("u_rui")) == (2, 1))
    gateway.close(rui)
    await eventually(lambda: latest("u_rui") == 0)
    await eventually(lambda: changed(gateway)[-1][1]["total"] == 1)


async def test_watching_joins_the_topic_before_the_list_is_taken(gateway: Gateway) -> None:
    ana = gateway.open("u_ana")
    await gateway.has_here(u_ana=1)
    people = await gateway.call(contract.WATCH, ListPeople(), ana)
    assert gateway.members == [(ana.connection, "presence.people")]
    assert [person.id for person in people.users] == ["u_ana"]
    await gateway.call(contract.UNWATCH, Nothing(), ana)
    assert gateway.members == []


async def test_people_are_listed_by_name_and_found_by_any_part_of_it(gateway: Gateway) -> None:
    for user, name in (("u_1", "Zoë"), ("u_2", "ana Lima"), ("u_3", "Ângela"), ("u_4", "Bruno")):
        gateway.open(user, name=name)
    await gateway.has_here(u_1=1, u_2=1, u_3=1, u_4=1)
    names = [person.name for person in (await gateway.list()).users]
    assert names == ["ana Lima", "Ângela", "Bruno", "Zoë"]
    found = await gateway.list(search=" ANG ")
    assert ([person.name for person in found.users], found.total) == (["Ângela"], 1)
    first = await gateway.list(limit=2)
    assert ([person.id for person in first.users], first.total) == (["u_2", "u_3"], 4)


async def test_an_answer_is_bounded_however_many_are_here(gateway: Gateway) -> None:
    for number in range(MAX_LISTED + 100):
        gateway.open(f"u_{number:03}")

    async def all_here() -> bool:
        return (await gateway.list()).total == MAX_LISTED + 100

    await eventually(all_here)
    assert len((await gateway.list()).users) == MAX_LISTED
    assert [person.id for person in (await gateway.list(search="u_599")).users] == ["u_599"]


async def test_a_new_name_is_shown_with_the_next_connection(gateway: Gateway) -> None:
    gateway.open("u_ana", name="Ana")
    gateway.open("u_ana", name="Ana Lima", kind="admin")
    await gateway.has_here(u_ana=2)
    ana = (await gateway.here())["u_ana"]
    assert (ana.name, ana.kind) == ("Ana Lima", "admin")


@pytest.mark.parametrize("limit", [0, MAX_LISTED + 1])
async def test_a_limit_out_of_bounds_is_refused(gateway: Gateway, limit: int) -> None:
    with pytest.raises(ServiceError, match="bad_request"):
        await gateway.list(limit=limit)


async def test_who_has_no_identity_is_refused(gateway: Gateway) -> None:
    with pytest.raises(ServiceError, match="unauthorized"):
        await gateway.call(contract.LIST, ListPeople(), Caller("", "", "anonymous"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [("José", "jose"), ("  Ana   LIMA ", "ana lima"), ("Straße", "strasse"), ("\uff21\uff22", "ab")],
)
def test_names_are_searched_without_case_and_accents(text: str, plain: str) -> None:
    assert folded(text) == plain


def changed(gateway: Gateway) -> list[tuple[str, dict[str, list[dict[str, int]]]]]:
    return [told for told in gateway.told if told[0] == "presence:changed"]
