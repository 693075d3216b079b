"""Guests: a real identity without an account."""

from __future__ import annotations

import re

import pytest

from pulso.contract import Nothing
from pulso.tokens import InvalidToken
from services.auth.handlers import sessions
from tests.services.auth.conftest import Clock, House, OpenHouse, refused


async def test_a_guest_has_an_identity_that_lasts(open_house: OpenHouse, clock: Clock) -> None:
    async with open_house() as house:
        guest = await house.guest("  Rui  ")
        assert (guest.user.name, guest.user.kind, guest.user.username) == ("Rui", "guest", None)
        assert re.fullmatch(r"g_[a-z2-7]{16}", guest.user.id)
        claims = house.verify(guest.access_token)
        assert (claims.sub, claims.kind) == (guest.user.id, "guest")
    clock.advance(days=364)
    async with open_house() as house:
        identity = await house.resolve(guest.credential)
        assert (identity.user.id, identity.user.name, identity.user.kind) == (guest.user.id, "Rui", "guest")
        assert identity.session == claims.sid
        clock.advance(days=1)
        with refused("unauthorized"):
            await house.resolve(guest.credential)


async def test_a_nameless_guest_gets_a_short_name(house: House) -> None:
    names = {(await house.guest(wanted)).user.name for wanted in (None, "", "  ", None)}
    assert all(re.fullmatch(r"Guest [2-9A-Z]{4}", name) for name in names)
    assert len(names) > 1


async def test_a_guest_cannot_have_just_any_name(house: House) -> None:
    with refused("bad_request", "name"):
        await house.guest("a\0b")


async def test_a_credential_is_no_access_token_and_an_access_token_no_credential(house: House) -> None:
    guest = await house.guest()
    with pytest.raises(InvalidToken):
        house.verify(guest.credential.removeprefix("guest."))
    with refused("unauthorized"):
        await house.resolve("guest." + guest.access_token)


async def test_a_guest_who_logs_out_is_gone_for_good(open_house: OpenHouse, clock: Clock) -> None:
    async with open_house() as house:
        guest, other = await house.guest(), await house.guest()
        caller = await house.caller(guest)
        await sessions.logout_all(house.auth, caller, Nothing())
        await sessions.logout(house.auth, caller, Nothing())
        assert [ended.sessions for _, ended in house.gateways.told] == [[caller.session]] * 2
    clock.advance(days=300)
    async with open_house() as house:
        await house.resolve(other.credential)
        with refused("unauthorized"):
            await house.resolve(guest.credential)
        with refused("unauthorized"):
            await sessions.new_token(house.auth, caller, Nothing())


async def test_a_guest_gets_new_tokens_and_sees_a_profile(house: House) -> None:
    guest = await house.guest("Rui")
    caller = await house.caller(guest)
    fresh = await sessions.new_token(house.auth, caller, Nothing())
    assert fresh.user == guest.user == await sessions.me(house.auth, caller, Nothing())
    assert house.verify(fresh.access_token).sid == caller.session
    assert (await sessions.list_sessions(house.auth, caller, Nothing())).sessions == []


async def test_where_guests_are_not_admitted_none_is_made_and_none_is_known(open_house: OpenHouse) -> None:
    async with open_house() as house:
        guest = await house.guest()
        caller = await house.caller(guest)
    async with open_house(guests=False) as house:
        with refused("forbidden", "Register"):
            await house.guest()
        with refused("unauthorized"):
            await house.resolve(guest.credential)
        with refused("unauthorized"):
            await sessions.new_token(house.auth, caller, Nothing())
