"""Signing keys: made once, changed in time, published for as long as anything that they signed lives."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import jwt
import pytest

from pulso.contract import Nothing
from pulso.tokens import InvalidToken, TokenVerifier
from services.auth import housekeeping
from services.auth.keys import PUBLISH_AHEAD_MS, new_key, plan, thumbprint
from services.auth.rules import DAY_MS
from tests.services.auth.conftest import Clock, House, OpenHouse


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def rotate(house: House) -> None:
    await housekeeping.rotate(house.auth)
    house.clock.advance(seconds=PUBLISH_AHEAD_MS / 1000 + 1)


def test_a_key_is_named_by_its_thumbprint() -> None:
    """The example of RFC 8037, appendix A.3."""
    public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_the_first_key_signs_at_once_and_outlives_a_restart(open_house: OpenHouse) -> None:
    async with open_house() as house:
        before = kid_of((await house.register()).access_token)
    async with open_house() as house:
        assert kid_of((await house.login()).access_token) == before
        assert [key.kid for key in house.auth.keys.published] == [before]


async def test_a_new_key_is_published_before_it_signs(house: House, clock: Clock) -> None:
    old = kid_of((await house.register()).access_token)
    await housekeeping.rotate(house.auth)
    assert house.gateways.told == [("auth:keys-changed", Nothing())]
    published = [key.kid for key in house.auth.keys.published]
    assert published[0] == old
    assert len(published) == 2
    assert kid_of((await house.login()).access_token) == old
    clock.advance(seconds=61)
    assert kid_of((await house.login()).access_token) == published[1]


async def test_what_the_old_key_signed_is_still_believed(house: House) -> None:
    signed_in, guest = await house.register(), await house.guest()
    await rotate(house)
    await housekeeping.once(house.auth)
    assert kid_of((await house.login()).access_token) != kid_of(signed_in.access_token)
    assert house.verify(signed_in.access_token).sub == signed_in.user.id
    assert (await house.resolve(guest.credential)).user.id == guest.user.id


async def test_a_gateway_that_knows_old_keys_only_notices(house: House) -> None:
    await house.register()
    gateway = TokenVerifier(house.auth.keys.published)
    await rotate(house)
    fresh = (await house.login()).access_token
    with pytest.raises(InvalidToken) as unknown:
        gateway.verify(fresh, house.clock().timestamp())
    assert unknown.value.unknown_key
    house.verify(fresh)


async def test_keys_are_changed_in_time_by_themselves(open_house: OpenHouse, clock: Clock) -> None:
    async with open_house(key_days=30) as house:
        clock.advance(days=29, hours=23)
        await housekeeping.once(house.auth)
        assert len(house.auth.keys.published) == 1
        clock.advance(hours=1)
        await housekeeping.once(house.auth)
        await housekeeping.once(house.auth)
        assert len(house.auth.keys.published) == 2


async def test_a_private_key_is_let_go_of_once_a_newer_one_signs(open_house: OpenHouse, tmp_path: Path) -> None:
    async with open_house() as house:
        await rotate(house)
        await housekeeping.once(house.auth)
    with contextlib.closing(sqlite3.connect(tmp_path / "auth.sqlite3")) as database:
        kept = [row[0] for row in database.execute("SELECT private FROM signing_keys ORDER BY created_at")]
    assert kept[0] is None
    assert len(kept[1]) == 32
    async with open_house() as house:
        await house.register()


async def test_an_old_key_is_published_until_the_last_guest_of_it_is_gone(house: House, clock: Clock) -> None:
    old = house.auth.keys.published[0].kid
    guest = await house.guest()
    await rotate(house)
    clock.advance(days=364)
    await housekeeping.once(house.auth)
    assert old in [key.kid for key in house.auth.keys.published]
    await house.resolve(guest.credential)
    clock.advance(days=2)
    await housekeeping.once(house.auth)
    assert old not in [key.kid for key in house.auth.keys.published]


async def test_keys_stay_in_order_where_the_clock_was_set_back(open_house: OpenHouse, clock: Clock) -> None:
    async with open_house() as house:
        first = house.auth.keys.published[0].kid
        for _ in range(3):
            clock.advance(hours=-1)
            await housekeeping.rotate(house.auth)
        made = [key.kid for key in house.auth.keys.published]
    assert made[0] == first
    async with open_house() as house:
        assert [key.kid for key in house.auth.keys.published] == made


def test_a_clock_that_is_set_back_leaves_a_key_that_can_sign() -> None:
    keys = [new_key(0), new_key(DAY_MS)]
    late = DAY_MS + PUBLISH_AHEAD_MS
    assert plan(keys, late - 1, key_lifetime_ms=DAY_MS).signs == keys[0].kid
    assert plan(keys, late, key_lifetime_ms=DAY_MS).superseded == [keys[0].kid]
    without_old = [type(keys[0])(keys[0].kid, keys[0].public, None, 0), keys[1]]
    assert plan(without_old, 0, key_lifetime_ms=DAY_MS).signs == keys[1].kid
