"""`pulso client` through what an operator does to the servers: started late, killed, started again."""

from __future__ import annotations

import signal

from tests.commands import Command, command
from tests.faults.conftest import Pulso
from tests.faults.deployment import Deployment


def connections(client: Command) -> list[str]:
    """Who it was, each time."""
    return [connected["user"]["id"] for connected in client.of_type("connected")]


async def test_it_waits_for_a_server_that_is_started_later(deployment: Deployment) -> None:
    auth, _, gateway = [await deployment.start(service) for service in ("auth", "numbers", "gateway")]
    await gateway.kill()
    async with command("client", "--json", WS=gateway.url) as client:
        await client.until(lambda: len(client.of_type("waiting")) >= 3)
        assert "Connection refused" in client.of_type("waiting")[0]["why"]
        await gateway.start()
        await client.until(lambda: client.events("numbers:value"))
    await auth.becomes("ready")


async def test_it_comes_back_as_who_it_was_when_its_gateway_was_killed(pulso: Pulso) -> None:
    lost = pulso.gateways[0]
    async with command("client", "--json", WS=lost.url, USER="Ana") as client:
        await client.until(lambda: client.events("numbers:value"))
        await lost.kill()
        await client.until(lambda: client.of_type("waiting"))
        await lost.start()
        await client.until(lambda: len(client.events("numbers:value")) == 2)
        first, second = connections(client)
        assert first == second
        assert await client.ends(by=signal.SIGTERM) == 0


async def test_it_renews_a_token_that_ended_while_it_was_away(deployment: Deployment) -> None:
    auth, gateway = await deployment.start_all("auth", "gateway", token_seconds=1)
    async with command("client", "--json", WS=gateway.url, USER="Ana") as client:
        await client.until(lambda: client.of_type("connected"))
        await gateway.kill()
        tries = len(client.of_type("waiting")) + 4  # they take longer than the token lives
        await client.until(lambda: len(client.of_type("waiting")) >= tries)
        await gateway.start()
        await client.until(lambda: len(client.of_type("connected")) == 2)
        assert len(set(connections(client))) == 1
    await auth.becomes("ready")


async def test_of_several_servers_it_takes_the_one_that_answers(pulso: Pulso) -> None:
    lost, kept = pulso.gateways
    async with command("client", "--json", "--url", f"{lost.url},{kept.url}") as client:
        await client.until(lambda: client.of_type("connected"))
        await lost.kill()
        await client.until(lambda: len(client.of_type("connected")) == 2)
        gateways = {connected["gateway"] for connected in client.of_type("connected")}
        assert len(gateways) == 2
        assert len(set(connections(client))) == 1


async def test_a_question_asked_while_the_server_is_away_is_answered_later(pulso: Pulso) -> None:
    lost = pulso.gateways[0]
    async with command("client", "--json", "--once", stdin=-1, WS=lost.url) as client:
        await client.until(lambda: client.of_type("connected"))
        await lost.kill()
        await client.until(lambda: client.of_type("waiting"))
        await client.tell("10\n")
        client.close_input()
        await lost.start()
        assert await client.ends() == 0
        assert [answer["value"] for answer in client.of_type("answer")] == ["55"]


async def test_it_tells_that_something_may_have_been_missed(pulso: Pulso) -> None:
    async with command("client", "--json", WS=pulso.urls[0]) as client:
        await client.until(lambda: client.events("numbers:value"))
        pulso.deployment.redis.restart()
        await client.until(lambda: client.events("session:resync"))
        assert len(client.of_type("connected")) == 1
    await pulso.become("ready")
