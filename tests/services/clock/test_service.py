"""The clock through real gateways: everybody is told each second, once, whoever else runs and whoever dies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from pulso.settings import KitSettings
from services.clock.__main__ import service
from tests.services.gateway.conftest import Client, Room, room_of, token_of
from tests.services.serving import serving
from tests.stopwatch import Stopwatch
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def clients_at(room: Room, count: int) -> AsyncIterator[list[Client]]:
    """So many guests at each gateway."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for gateway in range(len(room.urls)):
            for _ in range(count):
                visitor = await stack.enter_async_context(room.visitor(gateway))
                auth = {"token": await token_of(visitor)}
                clients.append(await stack.enter_async_context(room.client(gateway, auth=auth)))
        yield clients


def seconds_told(client: Client) -> list[datetime]:
    return [datetime.fromisoformat(tick["now"]) for tick in client.payloads("clock:tick")]


@pytest.mark.parametrize("gateways", [1, 2, 3])
@pytest.mark.quiet
async def test_each_second_comes_once_however_many_gateways_and_instances_run(
    kit: KitSettings, gateways: int
) -> None:
    async with (
        room_of(kit, gateways) as room,
        serving(service(kit), kit),
        serving(service(kit), kit),
        clients_at(room, 2) as clients,
    ):
        for client in clients:
            await client.hears("clock:tick", 4)
    for client in clients:
        told = seconds_told(client)
        assert all((after - before).total_seconds() == 1 for before, after in pairwise(told))
        assert all(second.microsecond == 0 and second.tzinfo == UTC for second in told)


@pytest.mark.quiet
async def test_ticks_come_on_the_second(kit: KitSettings) -> None:
    async with room_of(kit, 1) as room, serving(service(kit), kit), clients_at(room, 1) as (client,):
        with Stopwatch() as watch:
            for count in range(1, 4):
                tick = await client.hears("clock:tick", count)
                late_s = time.time() - datetime.fromisoformat(tick["now"]).timestamp()
                assert 0 <= late_s < 0.5 * watch.slowness


async def test_the_time_can_be_asked_for_by_anybody(kit: KitSettings) -> None:
    async with (
        room_of(kit, 1) as room,
        serving(service(kit), kit),
        clients_at(room, 1) as (client,),
        room.visitor() as visitor,
    ):

        async def is_known() -> bool:
            async with visitor.get("/api/clock/now") as answer:
                return answer.status == 200 and near(await answer.json())

        await eventually(is_known)
        assert near(await client.call("clock:now"))


def near(answer: dict[str, str]) -> bool:
    """Whether it is about now there."""
    return abs(time.time() - datetime.fromisoformat(answer["now"]).timestamp()) < 5
