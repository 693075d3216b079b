"""Registering, logging in, promoting."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pulso.contract import ANONYMOUS
from pulso.errors import ServiceError
from services.auth.contract import Promotion, User
from services.auth.handlers import accounts
from services.auth.passwords import Passwords
from tests.services.auth.conftest import PASSWORD, Clock, House, OpenHouse, refused


async def test_who_registers_is_signed_in(house: House) -> None:
    signed_in = await house.register("Ana", email="Ana@example.com")
    user = signed_in.user
    assert (user.name, user.username, user.email, user.kind) == ("Ana", "Ana", "Ana@example.com", "user")
    assert re.fullmatch(r"u_[a-z2-7]{16}", user.id)
    assert len(signed_in.credential) >= 43
    assert (await house.resolve(signed_in.credential)).user == User(user.id, "Ana", "user")
    claims = house.verify(signed_in.access_token)
    assert (claims.sub, claims.name, claims.kind) == (user.id, "Ana", "user")
    assert claims.exp - claims.iat == signed_in.expires_in == 900


async def test_the_file_has_a_bcrypt_hash_and_nothing_secret_in_plain_text(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    async with open_house() as house:
        signed_in = await house.register()
    file = tmp_path / "auth.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as database:
        (row,) = database.execute("SELECT name, username, email, password_hash FROM users").fetchall()
        (kept,) = database.execute("SELECT token_hash FROM sessions").fetchone()
    assert row[:3] == ("Ana", "ana", "ana@example.com")
    assert row[3].startswith("$2b$04$")
    assert kept != signed_in.credential
    content = file.read_bytes()
    assert PASSWORD.encode() not in content
    assert signed_in.credential.encode() not in content


@pytest.mark.parametrize("username", ["ana", "ANA", " Ana ", "\uff21\uff4e\uff41"])
async def test_a_taken_username_is_a_conflict_however_it_is_written(house: House, username: str) -> None:
    await house.register("ana")
    with refused("conflict", "username"):
        await house.register(username, email="other@example.com")


async def test_a_taken_address_is_a_conflict(house: House) -> None:
    await house.register("ana", email="ana@example.com")
    with refused("conflict", "e-mail"):
        await house.register("rui", email="ANA@Example.com")


async def test_of_many_who_want_one_name_at_once_one_gets_it(house: House) -> None:
    wishes = [house.register("ana", email=f"ana{i}@example.com") for i in range(8)]
    outcomes: list[Any] = await asyncio.gather(*wishes, return_exceptions=True)
    refusals = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert [error.code for error in refusals] == ["conflict"] * 7


async def test_a_registration_hears_of_all_its_faults_at_once(house: House) -> None:
    with refused("bad_request", "name", "username", "e-mail", "password"):
        await house.register("a b", name=" ", email="nobody", password="short")


@pytest.mark.parametrize(
    "email",
    [
        "", "ana", "ana@", "@example.com", "a@b@example.com", "ana@example", "a b@example.com", "ana@.com",
        "ana@example..com", "ana@example.com\0", "x" * 65 + "@example.com", "a@" + "x" * 250 + ".com",
        "a@\ufdfa\ufdfa\ufdfa" + "x" * 200 + ".com",
    ],
)  # fmt: skip
async def test_what_is_no_address_is_refused(house: House, email: str) -> None:
    with refused("bad_request", "e-mail"):
        await house.register(email=email)


@pytest.mark.parametrize("password", ["", "1234567", "eight\0chars", "\ud800" * 8])
async def test_a_password_that_cannot_be_is_refused(house: House, password: str) -> None:
    with refused("bad_request", "password"):
        await house.register(password=password)


@pytest.mark.parametrize("password", ["x" * 1025, "é" * 513, "\ud800" * 342, "x" * 60_000])
async def test_a_password_that_is_too_large_is_never_hashed(
    house: House, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.register("ana")
    monkeypatch.setattr(Passwords, "_in_pool", None)
    with refused("too_large", "1024 bytes"):
        await house.register("rui", password=password)
    for username in ("ana", "nobody"):
        with refused("too_large", "1024 bytes"):
            await house.login(username, password)


async def test_a_password_of_any_letters_and_length_works(house: House) -> None:
    for username, password in (("ana", "éèê ☃ 漢字 :-)"), ("rui", "x" * 1024), ("carla", "        ")):
        await house.register(username, password=password)
        await house.login(username, password)


@pytest.mark.parametrize("login", ["ana", "ANA", " ana ", "ana@example.com", " Ana@EXAMPLE.com"])
async def test_username_and_address_log_in_however_they_are_written(house: House, login: str) -> None:
    registered = await house.register("ana")
    signed_in = await house.login(login)
    assert signed_in.user == registered.user
    assert signed_in.credential != registered.credential


async def test_an_unknown_user_and_a_wrong_password_look_alike(house: House) -> None:
    await house.register("ana")
    messages = set()
    for username, password in (
        ("ana", "wrong horse"),
        ("ana", ""),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("", ""),
        ("\ud800@", "\ud800"),
        ("ana\0", PASSWORD),
    ):
        with pytest.raises(ServiceError) as error:
            await house.login(username, password)
        assert error.value.code == "unauthorized"
        messages.add(error.value.message)
    assert len(messages) == 1


async def test_accounts_outlive_a_restart(open_house: OpenHouse) -> None:
    async with open_house() as house:
        registered = await house.register()
    async with open_house() as house:
        assert (await house.resolve(registered.credential)).user.id == registered.user.id
        assert house.verify(registered.access_token).sub == registered.user.id
        assert (await house.login()).user == registered.user


async def test_logging_in_renews_a_hash_that_was_made_at_another_cost(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    async with open_house(bcrypt_cost=4) as house:
        await house.register()
    async with open_house(bcrypt_cost=5) as house:
        await house.login()
        await house.login()
    with contextlib.closing(sqlite3.connect(tmp_path / "auth.sqlite3")) as database:
        (hashed,) = database.execute("SELECT password_hash FROM users").fetchone()
    assert hashed.startswith("$2b$05$")


async def test_a_promoted_user_is_an_admin_from_now_on(house: House, clock: Clock) -> None:
    signed_in = await house.register("ana")
    promoted = await accounts.promote(house.auth, ANONYMOUS, Promotion("ANA"))
    assert promoted.kind == "admin"
    assert (await house.resolve(signed_in.credential)).user.kind == "admin"
    again = await house.login()
    assert again.user.kind == "admin"
    assert house.verify(again.access_token).kind == "admin"
    with refused("not_found", "nobody"):
        await accounts.promote(house.auth, ANONYMOUS, Promotion("nobody"))


async def test_the_settings_name_admins_too(open_house: OpenHouse) -> None:
    async with open_house(admins=("Ana",)) as house:
        assert (await house.register("ana")).user.kind == "admin"
        assert (await house.register("rui")).user.kind == "user"
    async with open_house() as house:
        assert (await house.login("ana")).user.kind == "user"
