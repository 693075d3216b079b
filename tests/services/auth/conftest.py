"""Auth on a real file, with a clock that the test turns and gateways that remember what they were told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulso.contract import ANONYMOUS, Caller, Event, Nothing
from pulso.errors import ServiceError
from pulso.tokens import Claims, TokenVerifier
from services.auth.contract import Credentials, GuestRequest, Identity, Registration, Resolve, SignedIn
from services.auth.handlers import accounts, guests, sessions
from services.auth.state import Auth, open_auth
from services.settings import AuthSettings
from tests.waiting import in_own_task

SETTINGS = AuthSettings(pepper="a pepper for tests that is long enough", bcrypt_cost=4)
PASSWORD = "correct horse"
FROM_LISBON = Caller("", "", "anonymous", address="192.0.2.7")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **time: float) -> None:
        self.time += timedelta(**time)


@dataclass
class RememberingGateways:
    told: list[tuple[str, Any]] = field(default_factory=list)

    async def to_gateways(self, event: Event[Any], payload: Any) -> int:
        self.told.append((event.name, payload))
        return 1


@dataclass
class House:
    """An open auth, and everything around it that a test turns or reads."""

    auth: Auth
    clock: Clock
    gateways: RememberingGateways

    def verify(self, token: str) -> Claims:
        """As a gateway does that has just asked for the keys."""
        return TokenVerifier(self.auth.keys.published).verify(token, self.clock().timestamp())

    async def register(self, username: str = "ana", **changed: str) -> SignedIn:
        wanted = {"name": "Ana", "email": f"{username}@example.com", "password": PASSWORD, **changed}
        return await accounts.register(self.auth, FROM_LISBON, Registration(username=username, **wanted))

    async def login(self, username: str = "ana", password: str = PASSWORD) -> SignedIn:
        return await accounts.login(self.auth, FROM_LISBON, Credentials(username, password))

    async def guest(self, name: str | None = None) -> SignedIn:
        return await guests.become_guest(self.auth, FROM_LISBON, GuestRequest(name))

    async def resolve(self, credential: str, agent: str = "") -> Identity:
        (answer,) = await sessions.resolve(self.auth, [(ANONYMOUS, Resolve(credential, agent))])
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    async def caller(self, signed_in: SignedIn) -> Caller:
        return (await self.resolve(signed_in.credential)).caller()

    async def log_out(self, signed_in: SignedIn) -> None:
        await sessions.logout(self.auth, await self.caller(signed_in), Nothing())


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_house(tmp_path: Path, clock: Clock) -> OpenHouse:
    """Open auth on the test's file, with other settings where the test says so; again, after it was closed."""

    @contextlib.asynccontextmanager
    async def open_it(**settings: Any) -> AsyncIterator[House]:
        gateways = RememberingGateways()
        async with open_auth(tmp_path / "auth.sqlite3", replace(SETTINGS, **settings), gateways, clock) as auth:
            yield House(auth, clock, gateways)

    return open_it


@pytest.fixture
async def house(open_house: OpenHouse) -> AsyncIterator[House]:
    async with in_own_task(open_house()) as opened:
        yield opened


@contextlib.contextmanager
def refused(code: str, *words: str) -> Any:
    """The block fails with this code and a message that has these words."""
    with pytest.raises(ServiceError) as error:
        yield
    assert error.value.code == code
    for word in words:
        assert word in error.value.message
