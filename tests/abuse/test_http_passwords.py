"""Passwords and usernames of all sizes and bytes: what is allowed works, and nothing else costs a hash."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import PASSWORD, Target
from tests.raw_http import Answer, ask, post

ROUTES = ("register", "login")


def account(**changed: Any) -> dict[str, Any]:
    username = f"p{secrets.token_hex(6)}"
    return {
        "name": "Ana", "username": username, "email": f"{username}@example.com", "password": PASSWORD, **changed
    }  # fmt: skip


async def sent(target: Target, route: str, body: Any) -> Answer:
    wanted = {name: body[name] for name in ("username", "password")} if route == "login" else body
    return await ask(target, post(f"/api/auth/{route}", wanted))


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * 72, id="72 bytes, as many as bcrypt takes"),
        pytest.param("x" * 73, id="73 bytes"),
        pytest.param("x" * 1024, id="1 KiB"),
        pytest.param("é" * 512, id="1 KiB of letters of two bytes"),
        pytest.param("\N{GRINNING FACE}" * 256, id="1 KiB of emoji"),
        pytest.param(" " * 8, id="eight spaces"),
    ],
)
async def test_a_password_works(target: Target, expect: Expect, password: str) -> None:
    body = account(password=password)
    assert (await sent(target, "register", body)).status == 200
    right = await sent(target, "login", body)
    wrong = await sent(target, "login", {**body, "password": password[:-1] + "y"})
    expect("200, with another last character 401", f"{right.status}, with another last character {wrong.status}")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * 1025, id="1,025 bytes"),
        pytest.param("é" * 513, id="1,026 bytes in 513 letters"),
        pytest.param("x" * 60_000, id="60 KB"),
    ],
)
async def test_a_password_that_is_too_large_is_refused_unhashed(
    target: Target, expect: Expect, route: str, password: str
) -> None:
    spent = target.hashes()
    answer = await sent(target, route, account(password=password))
    expect("413 too_large, hashes: 0", f"{answer}, hashes: {target.hashes() - spent}")


async def test_a_password_of_70_kb_is_refused_as_a_body(target: Target, expect: Expect) -> None:
    expect("413 too_large", str(await sent(target, "login", account(password="x" * 70_000))))


@pytest.mark.parametrize(
    ("password", "status"),
    [
        pytest.param("short", 400, id="too short"),
        pytest.param("eight\0chars", 400, id="NUL"),
        pytest.param("\ud800" * 8, 400, id="lone surrogates"),
        pytest.param(None, 400, id="null"),
        pytest.param(12345678, 400, id="a number"),
        pytest.param(["x" * 8], 400, id="an array"),
        pytest.param({"$ne": ""}, 400, id="an operator"),
    ],
)
async def test_nobody_registers_with_a_password_that_is(
    target: Target, expect: Expect, password: Any, status: int
) -> None:
    spent = target.hashes()
    answer = await sent(target, "register", account(password=password))
    expect((status, 0), (answer.status, target.hashes() - spent))


@pytest.mark.parametrize(
    "username",
    [
        pytest.param("ana\0root", id="NUL"),
        pytest.param("ana\ud800", id="a lone surrogate"),
        pytest.param("x" * 10_000, id="10 KB"),
        pytest.param("\u202etoor", id="a right-to-left override"),
        pytest.param("ro\u200bot", id="a space of no width"),
        pytest.param("r\u043e\u043et", id="letters of two alphabets"),
        pytest.param("../../etc/passwd", id="a path"),
        pytest.param("' OR 1=1 --", id="SQL"),
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param("ana\r\nSet-Cookie: a=b", id="a line break"),
        pytest.param("a" + "\u0301" * 20, id="twenty accents on one letter"),
        pytest.param("   ", id="spaces"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="null"),
        pytest.param({"$gt": ""}, id="an operator"),
    ],
)
async def test_nobody_is_called(target: Target, expect: Expect, username: Any) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    registered = await sent(target, "register", account(username=username, email=email))
    logged_in = await sent(target, "login", account(username=username, password="another one"))
    assert logged_in.status in (400, 401)
    assert "Set-Cookie" not in logged_in.headers
    expect("400 bad_request", str(registered))


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("ROOT", id="capitals"),
        pytest.param("\uff52\uff4f\uff4f\uff54", id="letters of double width"),
        pytest.param(" root ", id="spaces around"),
    ],
)
async def test_a_name_that_is_taken_is_taken_in(target: Target, expect: Expect, spelling: str) -> None:
    target.admin()
    email = f"{secrets.token_hex(6)}@example.com"
    expect("409 conflict", str(await sent(target, "register", account(username=spelling, email=email))))
