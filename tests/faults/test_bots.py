"""`pulso bots`: it comes through a killed gateway with nothing lost, and says so when something was."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.commands import Command, command
from tests.faults.conftest import Pulso
from tests.faults.deployment import Deployment


def progress(bots: Command) -> dict[str, Any]:
    told = bots.of_type("progress")
    last: dict[str, Any] = told[-1] if told else {"resumes": 0, "acknowledged": 0}
    return last


async def test_fifty_bots_lose_nothing_when_a_gateway_is_killed(pulso: Pulso) -> None:
    lost = pulso.gateways[0]
    async with command("bots", "-n", "50", "--seconds", "600", "--json", WS=",".join(pulso.urls)) as bots:
        await bots.until(lambda: progress(bots)["acknowledged"] > 300)
        await lost.kill()
        await bots.until(lambda: progress(bots)["resumes"] == 25)
        await lost.start()
        since = progress(bots)["acknowledged"]
        await bots.until(lambda: progress(bots)["acknowledged"] > since + 300)
        assert await bots.ends(by=signal.SIGINT) == 0
        (summary,) = bots.of_type("summary")
        assert bots.said[-1] == summary
        assert summary["everything_kept"]
        assert (summary["bots"], summary["connections_lost"], summary["resumes"]) == (50, 25, 25)
        assert (summary["forgotten"], summary["unchecked"], summary["wrong"], summary["gone"]) == (0, 0, 0, {})
        # Gateway and numbers answer every call; only what the killed one had in hand is not.
        assert summary["sent"] == summary["acknowledged"] + summary["never_answered"] + sum(
            summary["refused"].values()
        )
        assert summary["ack_ms"]["p50"] <= summary["ack_ms"]["p95"] <= summary["ack_ms"]["p99"]


async def test_what_was_forgotten_is_told_and_is_exit_code_1(pulso: Pulso, tmp_path: Path) -> None:
    gateway = pulso.gateways[0]
    async with command("bots", "-n", "10", "--seconds", "600", WS=gateway.url) as bots:
        await bots.says("10 of 10 connected")
        await gateway.kill()
        await pulso.numbers.kill()
        for file in (tmp_path / "data").glob("numbers*"):
            file.unlink()
        await pulso.numbers.start()
        await gateway.start()
        await bots.says("10 resumes")
        assert await bots.ends(by=signal.SIGINT) == 1
        assert bots.out[-1].startswith("NOT KEPT: ")
        assert [line for line in bots.out if "promised value" in line and "the server tells 0 and 1" in line]


async def test_a_run_ends_by_itself_and_waits_for_a_server_that_comes_late(deployment: Deployment) -> None:
    *_, gateway = [await deployment.start(service) for service in ("auth", "numbers", "gateway")]
    await gateway.kill()
    async with command("bots", "-n", "5", "--seconds", "2", WS=gateway.url) as bots:
        await bots.says("does not answer")
        await gateway.start()
        assert await bots.ends() == 0
        assert bots.out[-1] == "Everything that was acknowledged was there at the end."
        assert [program.service for program in deployment.programs if await program.status() != "ready"] == []


async def test_limits_of_the_server_are_named(deployment: Deployment) -> None:
    auth, numbers, guests, sockets = [
        await deployment.start("auth"),
        await deployment.start("numbers"),
        await deployment.start("gateway", limit_guests_per_minute=3),
        # Guests that one gateway admits count at the other, too: all are of one address.
        await deployment.start("gateway", limit_connections_per_address=3, limit_guests_per_minute=0),
    ]
    for program in (auth, numbers, guests, sockets):
        await program.becomes("ready")
    async with command("bots", "-n", "10", WS=sockets.url) as bots:
        assert await bots.ends() == os.EX_NOPERM
        assert "PULSO_LIMIT_CONNECTIONS_PER_ADDRESS=0" in bots.err[-1]
    async with command("bots", "-n", "10", WS=guests.url) as bots:
        await bots.says("PULSO_LIMIT_GUESTS_PER_MINUTE=0")
        assert await bots.ends(by=signal.SIGINT) == 0
        assert "3 of 10 bots are signed in, 0 connected" in bots.err


async def test_bots_where_guests_are_not_admitted(deployment: Deployment) -> None:
    _, gateway = await deployment.start_all("auth", "gateway", guests="off")
    async with command("bots", "-n", "3", WS=gateway.url) as bots:
        assert await bots.ends() == os.EX_NOPERM
        assert "Guests are not admitted here" in bots.err[-1]
