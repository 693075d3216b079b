"""Auth as a service: over the real bus, from its settings to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
import pytest

from pulso.contract import ANONYMOUS, Caller, Endpoint, Nothing
from pulso.errors import ServiceError
from pulso.message import Envelope, Tell
from pulso.party import Connected
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from services.auth import contract
from services.auth.__main__ import service
from services.auth.contract import Credentials, Registration, Resolve, SessionsEnded
from tests.services.auth.conftest import PASSWORD, SETTINGS, refused
from tests.waiting import eventually

Req = TypeVar("Req")
Res = TypeVar("Res")

ANA = Registration("Ana", "ana", "ana@example.com", PASSWORD)


class Gateway:
    """Calls auth as a gateway does, and hears what gateways are told."""

    def __init__(self, party: Connected) -> None:
        self.bus = party.bus
        self.heard: list[Tell] = []

    async def call(self, endpoint: Endpoint[Req, Res], request: Req, caller: Caller = ANONYMOUS) -> Res:
        return await self.bus.call(self.bus.channels.service("auth", 0), endpoint, request, caller)

    def hear(self, batch: list[Envelope]) -> None:
        self.heard += [told for told in batch if isinstance(told, Tell)]


@pytest.fixture
async def gateway(kit: KitSettings, party: Connected) -> AsyncIterator[Gateway]:
    stop, health = asyncio.Event(), Health()
    serving = asyncio.create_task(serve(service(SETTINGS), kit, health, stop))
    await eventually(lambda: health.status() == "ready")
    gateway = Gateway(party)
    await party.bus.listen(party.bus.channels.identity, gateway.hear)
    yield gateway
    stop.set()
    await serving


async def test_a_visit_from_registration_to_logout(gateway: Gateway) -> None:
    signed_in = await gateway.call(contract.REGISTER, ANA)
    identity = await gateway.call(contract.RESOLVE, Resolve(signed_in.credential))
    assert identity.user.id == signed_in.user.id
    await gateway.call(contract.LOGOUT, Nothing(), identity.caller())
    # The gateways heard of it before the answer came.
    (told,) = [told for told in gateway.heard if told.event == contract.SESSIONS_ENDED.name]
    assert msgspec.json.decode(told.payload, type=SessionsEnded).sessions == [identity.session]
    with refused("unauthorized"):
        await gateway.call(contract.RESOLVE, Resolve(signed_in.credential))
    trust = await gateway.call(contract.TRUST, Nothing())
    assert [ended.session for ended in trust.ended] == [identity.session]


async def test_what_needs_a_sign_in_is_refused_without_one(gateway: Gateway) -> None:
    endpoints: tuple[Endpoint[Nothing, Any], ...] = (
        contract.TOKEN, contract.ME, contract.SESSIONS, contract.LOGOUT, contract.LOGOUT_ALL,
    )  # fmt: skip
    for endpoint in endpoints:
        with refused("unauthorized"):
            await gateway.call(endpoint, Nothing())


async def test_fifty_people_log_in_at_once_beside_others_who_wait_for_nothing(gateway: Gateway) -> None:
    signed_in = await gateway.call(contract.REGISTER, ANA)
    logins = asyncio.gather(
        *(gateway.call(contract.LOGIN, Credentials("ana", PASSWORD)) for _ in range(50)),
        *(gateway.call(contract.RESOLVE, Resolve(signed_in.credential)) for _ in range(50)),
    )
    assert len(await logins) == 100


async def test_wrong_passwords_at_once_are_each_refused(gateway: Gateway) -> None:
    calls = [gateway.call(contract.LOGIN, Credentials("ana", PASSWORD)) for _ in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [outcome.code for outcome in outcomes if isinstance(outcome, ServiceError)] == ["unauthorized"] * 20
