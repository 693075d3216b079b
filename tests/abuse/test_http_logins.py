"""Guessing passwords at two gateways: counted together, and the owner is not locked out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.raw import HOME, Answer, ask, post
from tests.abuse.target import PASSWORD
from tests.faults.deployment import deployed
from tests.redis_server import RedisServer

LIMIT: Final = 5
OWNERS: Final = "127.0.0.2"
SPRAYERS: Final = "127.0.0.3"
PATIENCE_S: Final = 10.0
SPRAYED: Final = 10 * LIMIT
"""How many failures an address may have over all accounts."""


@dataclass(frozen=True)
class Gateway:
    host: str
    port: int


@pytest.fixture
async def gateways(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[list[Gateway]]:
    async with deployed(own_redis, tmp_path) as deployment:
        _, *found = await deployment.start_all("auth", "gateway", "gateway", limit_logins_per_minute=LIMIT)
        yield [Gateway("127.0.0.1", gateway.port) for gateway in found]


async def login(
    gateway: Gateway, username: str, password: str, *, source: str = HOME, headers: dict[str, str] | None = None
) -> Answer:
    body = {"username": username, "password": password}
    return await ask(gateway, post("/api/auth/login", body, headers), source=source, within_s=PATIENCE_S)


async def register(gateway: Gateway, username: str) -> None:
    body: Any = {"name": "Ana", "username": username, "email": f"{username}@example.com", "password": PASSWORD}
    assert (await ask(gateway, post("/api/auth/register", body), within_s=PATIENCE_S)).status == 200


async def test_the_sixth_bad_login_is_refused_on_another_gateway_and_the_owner_let_in(
    gateways: list[Gateway], expect: Expect
) -> None:
    here, there = gateways
    await register(here, "ana")
    spellings = ("ana", "ANA", "\uff41\uff4e\uff41", " ana ", "Ana")
    guesses = [(await login(here, name, f"guess {name}")).status for name in spellings]
    sixth = await login(there, "ana", "guess")
    assert 1 <= int(sixth.headers["Retry-After"]) <= 60
    seen = {
        "five guesses here": set(guesses),
        "the sixth there": sixth.status,
        "the right one from there": (await login(there, "ana", PASSWORD)).status,
        "with a forged address": (
            await login(there, "ana", "guess", headers={"X-Forwarded-For": OWNERS, "X-Real-IP": OWNERS})
        ).status,
        "another account": (await login(there, "rui", "guess")).status,
        "the owner": (await login(here, "ana", PASSWORD, source=OWNERS)).status,
    }
    expect(
        {
            "five guesses here": {401},
            "the sixth there": 429,
            "the right one from there": 429,
            "with a forged address": 429,
            "another account": 401,
            "the owner": 200,
        },
        seen,
    )


async def test_thirty_guesses_at_once_at_two_gateways_are_five(gateways: list[Gateway], expect: Expect) -> None:
    await register(gateways[0], "ana")
    answers = await asyncio.gather(*(login(gateways[n % 2], "ana", f"guess {n}") for n in range(30)))
    expect({401: LIMIT, 429: 30 - LIMIT}, dict(Counter(answer.status for answer in answers)))


async def test_one_password_tried_at_all_accounts_is_refused_in_the_end(
    gateways: list[Gateway], expect: Expect
) -> None:
    statuses = [
        (await login(gateways[n % 2], f"person{n}", "password1", source=SPRAYERS)).status
        for n in range(SPRAYED + 1)
    ]
    expect({401: SPRAYED, 429: 1}, dict(Counter(statuses)))
    assert statuses[-1] == 429
