"""Password hashes, and what making them leaves of the event loop."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator

import bcrypt
import pytest

from services.auth import passwords as module
from services.auth.passwords import Passwords
from tests.services.auth.conftest import refused
from tests.stopwatch import Stopwatch
from tests.waiting import PATIENCE_S

PEPPER = "a pepper for tests that is long enough"
TICK_S = 0.005
HASHES = 50


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(PEPPER, cost=4)
    yield passwords
    passwords.close()


async def test_a_hash_is_bcrypt_of_the_peppered_password(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    digest = hmac.digest(PEPPER.encode(), b"correct horse", hashlib.sha384)
    assert hashed.startswith("$2b$04$")
    assert bcrypt.checkpw(base64.b64encode(digest), hashed.encode())


async def test_only_the_password_matches_in_all_its_length(passwords: Passwords) -> None:
    long = "x" * 1000
    hashed = await passwords.hash(long)
    assert await passwords.matches(long, hashed)
    assert not await passwords.matches(long[:-1] + "y", hashed)
    assert not await passwords.matches("", hashed)
    assert not await passwords.matches("\ud800", hashed)


async def test_a_password_is_the_same_however_its_letters_are_composed(passwords: Passwords) -> None:
    assert await passwords.matches("cafe\u0301 com leite", await passwords.hash("café com leite"))


async def test_without_the_pepper_nothing_matches(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    other = Passwords("another pepper that is long enough", cost=4)
    assert not await other.matches("correct horse", hashed)
    other.close()


@pytest.mark.parametrize(
    "hashed", ["", "x", "$2b$04$", "$2b$99$" + "." * 53, "$2b$04$" + "!" * 53, "\0" * 60, "é" * 60]
)
async def test_a_malformed_hash_is_a_wrong_password(passwords: Passwords, hashed: str) -> None:
    assert not await passwords.matches("correct horse", hashed)


async def test_nobody_has_a_password_and_costs_a_hash(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []
    check = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        checked.append(hashed)
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    assert not await passwords.matches("correct horse", None)
    assert [hashed[:7] for hashed in checked] == [b"$2b$04$"]


async def test_a_hash_at_another_cost_is_outdated(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")
    costlier = Passwords(PEPPER, cost=5)
    assert not passwords.is_outdated(hashed)
    assert costlier.is_outdated(hashed)
    costlier.close()


async def test_past_the_bound_a_hash_is_refused_at_once() -> None:
    passwords = Passwords(PEPPER, cost=6, max_waiting=2)
    in_hand = [asyncio.ensure_future(passwords.hash("correct horse")) for _ in range(2)]
    await asyncio.sleep(0)
    with refused("unavailable", "Try again"):
        await passwords.hash("correct horse")
    await asyncio.gather(*in_hand)
    await passwords.hash("correct horse")
    passwords.close()


@pytest.mark.alone
async def test_fifty_hashes_at_once_leave_the_loop_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost 10 and not 12: what would hold up the loop is who runs, not for how long."""
    monkeypatch.setattr(module, "PATIENCE_S", PATIENCE_S)
    passwords = Passwords(PEPPER, cost=10)
    loop = asyncio.get_running_loop()
    lags: list[float] = []

    async def tick() -> None:
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            lags.append(loop.time() - due)

    ticking = asyncio.create_task(tick())
    with Stopwatch() as watch:
        await asyncio.gather(*(passwords.hash("correct horse") for _ in range(HASHES)))
    ticking.cancel()
    passwords.close()
    assert len(lags) > 2 * HASHES
    assert sorted(lags)[int(len(lags) * 0.99)] < 0.050 * watch.slowness
