"""Guessing passwords at two gateways: counted together, and the owner is not locked out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.abuse.conftest import Report
from tests.abuse.target import PASSWORD
from tests.cases import Case
from tests.faults.deployment import deployed
from tests.raw_http import HOME, Answer, ask, post
from tests.redis_server import RedisServer

LIMIT: Final = 5
OWNERS: Final = "127.0.0.2"
SPRAYERS: Final = "127.0.0.3"
PATIENCE_S: Final = 60.0
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


async def test_guesses_at_two_gateways_are_counted_together(gateways: list[Gateway], report: Report) -> None:
    """One deployment for all of it: to start one takes longer than the rest."""
    for name, expected, seen in (
        await the_sixth_guess(*gateways),
        await guesses_at_once(gateways),
        await one_password_for_all(gateways),
    ):
        report(Case(name, str(expected), str(seen)))
        assert seen == expected


Outcome = tuple[str, object, object]


async def the_sixth_guess(here: Gateway, there: Gateway) -> Outcome:
    await register(here, "ana")
    spellings = ("ana", "ANA", "\uff41\uff4e\uff41", " ana ", "Ana")
    guesses = {(await login(here, name, f"guess {name}")).status for name in spellings}
    sixth = await login(there, "ana", "guess")
    assert 1 <= int(sixth.headers["Retry-After"]) <= 60
    forged = {"X-Forwarded-For": OWNERS, "X-Real-IP": OWNERS, "Forwarded": f"for={OWNERS}"}
    answers = {
        "the sixth": sixth,
        "the right one": await login(there, "ana", PASSWORD),
        "a forged address": await login(there, "ana", "guess", headers=forged),
        "another account": await login(there, "rui", "guess"),
        "the owner": await login(here, "ana", PASSWORD, source=OWNERS),
    }
    assert guesses == {401}
    expected = "the sixth 429, the right one 429, a forged address 429, another account 401, the owner 200"
    seen = ", ".join(f"{name} {answer.status}" for name, answer in answers.items())
    return "five bad logins, and then on another gateway", expected, seen


async def guesses_at_once(gateways: list[Gateway]) -> Outcome:
    await register(gateways[0], "carla")
    answers = await asyncio.gather(*(login(gateways[n % 2], "carla", f"guess {n}") for n in range(30)))
    statuses = Counter(answer.status for answer in answers)
    return "thirty guesses at once at two gateways", {401: LIMIT, 429: 30 - LIMIT}, dict(statuses)


async def one_password_for_all(gateways: list[Gateway]) -> Outcome:
    answers = await asyncio.gather(
        *(login(gateways[n % 2], f"person{n}", "password1", source=SPRAYERS) for n in range(SPRAYED + 1))
    )
    statuses = Counter(answer.status for answer in answers)
    return "one password tried at 51 accounts", {401: SPRAYED, 429: 1}, dict(statuses)
