"""Auth killed: whoever is signed in goes on, nobody new gets in, and what it decided still holds afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import Pulso
from tests.faults.people import Person, guest
from tests.waiting import at_most, eventually

REFUSED_WITHIN_S = 2.0
ANA = {"username": "ana", "password": "correct horse battery staple"}


@pytest.mark.quiet
async def test_without_auth_the_signed_in_go_on_and_logins_are_refused_at_once(pulso: Pulso) -> None:
    here, there = pulso.urls
    ana = await registered(pulso, here)
    await ana.connect(here)
    await pulso.auth.kill()

    async with at_most(REFUSED_WITHIN_S):
        for url in pulso.urls:
            assert await post(pulso, f"{url}/api/auth/login", ANA) == (503, "unavailable")

    assert await ana.set(37)
    async with ana.another_tab(there) as tab:
        assert tab.heard("numbers:value")[0]["value"] == 37
    assert await post(pulso, f"{there}/api/numbers/set", {"value": 38}, ana.token) == (200, None)
    assert await post(pulso, f"{there}/api/numbers/set", {"value": 39}, ana.token + "x") == (401, "unauthorized")

    await pulso.auth.start()
    await eventually(lambda: logs_in(pulso, there))
    assert ana.ends == []
    assert await ana.set(40)


@pytest.mark.quiet
async def test_a_logout_holds_while_auth_is_away_and_after_every_process_was_killed(pulso: Pulso) -> None:
    here, there = pulso.urls
    ana = await registered(pulso, here)
    rui = await guest(pulso.deployment.http, here, "Rui")
    await ana.connect(there)
    for person in (ana, rui):
        assert await post(pulso, f"{here}/api/auth/logout", {}, person.token) == (200, None)
    await eventually(lambda: ana.ends, within_s=1)

    await pulso.auth.kill()
    await both_are_refused(pulso, ana, rui)
    for program in pulso.all:
        await program.kill()
        await program.start()
    await pulso.become("ready", within_s=30)
    await both_are_refused(pulso, ana, rui)
    assert await logs_in(pulso, here)


async def registered(pulso: Pulso, url: str) -> Person:
    wanted = {**ANA, "name": "Ana", "email": "ana@example.com"}
    async with pulso.deployment.http.post(f"{url}/api/auth/register", json=wanted) as response:
        assert response.status == 200, await response.text()
        return Person(pulso.deployment.http, "Ana", (await response.json())["access_token"])


async def both_are_refused(pulso: Pulso, *people: Person) -> None:
    for person in people:
        for url in pulso.urls:
            answer = await post(pulso, f"{url}/api/numbers/set", {"value": 1}, person.token)
            assert answer == (401, "unauthorized")


async def logs_in(pulso: Pulso, url: str) -> bool:
    status, _ = await post(pulso, f"{url}/api/auth/login", ANA)
    return status == 200


async def post(pulso: Pulso, url: str, body: Any, token: str | None = None) -> tuple[int, str | None]:
    """The status, and the code of the error."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with pulso.deployment.http.post(url, json=body, headers=headers) as response:
        answer = await response.json()
        return response.status, answer.get("error", {}).get("code")
