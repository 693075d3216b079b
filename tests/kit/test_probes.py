"""The ops port: alive, ready, standing by; and the check that a container asks."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from pulso import healthcheck
from pulso.probes import OK, STANDBY, Health, ops_server
from tests.conftest import free_port


def health_of(**answers: str) -> Health:
    health = Health()
    for name, answer in answers.items():
        health.watch(name, lambda answer=answer: answer)
    return health


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({}, "unready"),
        ({"bus": OK}, "ready"),
        ({"bus": OK, "shards": STANDBY}, "standby"),
        ({"bus": "no connection", "shards": OK}, "unready"),
        ({"bus": "no connection", "shards": STANDBY}, "unready"),
    ],
)
def test_status_follows_from_the_checks(answers: dict[str, str], status: str) -> None:
    assert health_of(**answers).status() == status


@pytest.mark.parametrize(
    ("answers", "code", "container"),
    [({"bus": OK}, 200, 0), ({"bus": STANDBY}, 503, 0), ({"bus": "no connection"}, 503, 1)],
)
async def test_ops_port_tells_how_it_is(
    answers: dict[str, str], code: int, container: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("PULSO_OPS_PORT", str(port))
    async with (
        ops_server(health_of(**answers), host="127.0.0.1", port=port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        async with client.get("/readyz") as answer:
            assert answer.status == code
            assert (await answer.json())["checks"] == answers
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        async with client.get("/metrics") as answer:
            assert "pulso_bus_reconnects_total" in await answer.text()
        assert await asyncio.to_thread(healthcheck.main) == container


def test_container_without_an_answer_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSO_OPS_PORT", str(free_port()))
    assert healthcheck.main() == 1
