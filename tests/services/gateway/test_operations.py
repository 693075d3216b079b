"""What those who run a gateway rely on: metrics by known names alone, traces, promotions that reach sockets."""

from __future__ import annotations

import pytest

from pulso import lanes
from pulso.contract import ANONYMOUS
from pulso.party import Connected
from pulso.tracing import Origin
from services.auth.contract import PROMOTE, Promotion
from services.gateway import metrics
from tests.admission import admitted
from tests.services.gateway.conftest import Room, token_of
from tests.waiting import eventually

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_events_are_counted_by_known_names_alone(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
        async with room.client(auth={"token": token}) as client:
            await client.call("numbers:set", {"value": 3})
            await client.call("made:up-by-a-client", {})
    counts = metrics.RECEIVED.counts
    assert counts["numbers:set", "ok"] >= 1
    assert counts[metrics.UNKNOWN, "not_found"] >= 1
    assert not [event for event, _ in counts if event.startswith("made:")]
    assert sum(metrics.ACK_SECONDS.of("numbers:set").counts) >= 1
    assert metrics.SENT.counts["session:ready",] >= 1


async def test_a_refused_request_is_told_its_id(room: Room) -> None:
    async with room.visitor() as visitor:
        headers = {"X-Request-Id": "mine-1", "traceparent": TRACE}
        async with visitor.post("/api/numbers/set", json={"value": 300}, headers=headers) as response:
            assert response.status == 401
            assert response.headers["X-Request-Id"] == "mine-1"


async def test_a_socket_belongs_to_the_trace_that_it_came_with(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Origin] = []

    def noted(*given: str, **named: str) -> Origin:
        seen.append(Origin(*given, **named))  # type: ignore[arg-type]  # as the lanes make it
        return seen[-1]

    monkeypatch.setattr(lanes, "Origin", noted)

    def traces() -> set[str]:
        found = {origin.trace for origin in seen if origin.endpoint == "numbers:even"}
        seen.clear()
        return found

    async with room.visitor() as visitor:
        token = await token_of(visitor)
        async with room.client(auth={"token": token, "traceparent": TRACE}) as client:
            await client.call("numbers:even")
        assert traces() == {TRACE}
        async with room.client(auth={"token": token}, headers={"traceparent": TRACE}) as client:
            await client.call("numbers:even")
        assert traces() == {TRACE}
        async with room.client(auth={"token": token, "traceparent": 7}) as client:
            await client.call("numbers:even")
        assert traces() == {""}


async def test_a_promotion_reaches_open_sockets_and_cookies(room: Room, party: Connected) -> None:
    account = {"name": "Ana", "username": "ana", "email": "ana@example.com", "password": "long enough"}
    async with room.visitor() as visitor:
        async with admitted(visitor, "/api/auth/register", json=account) as response:
            token = (await response.json())["access_token"]

        async def kind() -> str:
            async with visitor.get("/api/auth/me") as answer:
                return str((await answer.json())["kind"])

        assert await kind() == "user"
        async with room.client(auth={"token": token}) as client:
            await client.hears("session:ready")
            auth = party.bus.channels.service("auth", 0)
            await party.bus.call(auth, PROMOTE, Promotion("ana"), ANONYMOUS)
            await eventually(lambda: _is(kind, "admin"))
            assert (await client.call("numbers:set", {"value": 5})) == {"value": 5}


async def _is(ask: object, wanted: str) -> bool:
    assert callable(ask)
    return bool(await ask() == wanted)
