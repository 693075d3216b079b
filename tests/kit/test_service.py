"""A whole service: announced, found ready, taken over, drained; and stopped, whatever it waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from pulso import manifests, service
from pulso.contract import shard_of
from pulso.errors import ServiceError
from pulso.keys import Keys
from pulso.message import Envelope, Tell
from pulso.party import Connected
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from pulso.store import Store, StoreBusy, open_store
from tests.kit import echo
from tests.kit.echo import GUEST, SAY, Echo, Words
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, at_most, eventually

STOPS_WITHIN_S = 2.0


class Served:
    """A running instance: its health, and how to stop it."""

    def __init__(self, kit: KitSettings, offered: Service[Echo]) -> None:
        self.health = Health()
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(serve(offered, kit, self.health, self.stop))

    async def ready(self, status: str = "ready") -> None:
        await eventually(lambda: self.health.status() == status)

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await self.task


@contextlib.asynccontextmanager
async def serving(kit: KitSettings, offered: Service[Echo]) -> AsyncIterator[Served]:
    served = Served(kit, offered)
    try:
        yield served
    finally:
        await served.end()


async def say(party: Connected, text: str, shard: int = 0) -> Words:
    return await party.bus.call(party.bus.channels.service("echo", shard), SAY, Words(text), GUEST)


async def test_service_is_announced_and_answers(kit: KitSettings, party: Connected) -> None:
    announced: list[Envelope] = []
    await party.bus.listen(party.bus.channels.control, announced.extend)
    async with serving(kit, echo.service()) as served:
        await served.ready()
        assert await say(party, "olá") == Words("olá")
        await eventually(lambda: announced)
        (tell,) = announced
        assert isinstance(tell, Tell)
        assert (tell.event, msgspec.json.decode(tell.payload)) == (manifests.ANNOUNCED, {"service": "echo"})
        known = manifests.Manifests()
        await known.read(party.link, party.bus)
        assert set(known.routes) == {"echo:say", "echo:ping", "echo:together"}


async def test_manifest_that_cannot_be_read_hides_no_other(kit: KitSettings, party: Connected) -> None:
    await party.link.command("SADD", Keys(kit.redis_prefix).services, "broken", "gone")
    await party.link.command("SET", Keys(kit.redis_prefix).manifest("broken"), b"\xff{")
    async with serving(kit, echo.service()) as served:
        await served.ready()  # which it is not before gateways can know of it
        known = manifests.Manifests()
        await known.read(party.link, party.bus)
        assert set(known.services) == {"echo"}


async def test_service_is_not_ready_before_gateways_can_know_of_it(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away(*_: object) -> bool:
        return False

    with monkeypatch.context() as without:
        without.setattr(manifests, "announce", is_away)
        async with serving(kit, echo.service()) as served:
            await eventually(lambda: served.health.report().get("echo.shards") == "not announced yet")
            assert served.health.status() == "unready"
            without.undo()
            await served.ready()


async def test_stopped_service_finishes_what_it_has_in_hand(kit: KitSettings, party: Connected) -> None:
    state = Echo()
    async with serving(kit, echo.service(state)) as served:
        await served.ready()
        state.gate.clear()
        calls = [asyncio.create_task(say(party, str(number))) for number in range(50)]
        await state.entered.wait()
        served.stop.set()
        await eventually(lambda: served.health.status() != "ready")
        state.gate.set()
        assert [answer.text for answer in await asyncio.gather(*calls)] == [str(number) for number in range(50)]
    with pytest.raises(ServiceError) as caught:
        await say(party, "late")
    assert caught.value.code == "unavailable"


async def test_second_instance_stands_by_and_takes_over_at_once(kit: KitSettings, party: Connected) -> None:
    async with serving(kit, echo.service()) as first:
        await first.ready()
        async with serving(kit, echo.service()) as second:
            await second.ready("standby")
            assert await say(party, "first") == Words("first")
            await first.end()
            await second.ready()
            assert await say(party, "second") == Words("second")


async def test_two_instances_serve_a_shard_each(kit: KitSettings, party: Connected) -> None:
    states = Echo(), Echo()
    async with (
        serving(kit, echo.service(states[0], shards=2)) as first,
        serving(kit, echo.service(states[1], shards=2)) as second,
    ):
        await first.ready()
        await second.ready()
        one, other = (next(u for u in "abcdefgh" if shard_of(u, 2) == shard) for shard in (0, 1))

        async def both_answer_alone() -> bool:
            for state in states:
                state.said.clear()
            with contextlib.suppress(ServiceError):
                await say(party, one, 0)
                await say(party, other, 1)
            return sorted(map(tuple, (state.said for state in states))) == sorted([(one,), (other,)])

        await eventually(both_answer_alone)


async def test_redis_restarted_and_all_is_announced_and_answers_again(
    own_kit: KitSettings, own_party: Connected, own_redis: RedisServer
) -> None:
    async with serving(own_kit, echo.service()) as served:
        await served.ready()
        own_redis.restart()
        await eventually(lambda: served.health.status() != "ready")
        await served.ready()
        await own_party.link.wait_up()
        assert await say(own_party, "again") == Words("again")
        async with Redis.from_url(own_redis.url) as admin:

            async def announced() -> bool:
                return bool(await admin.exists(Keys(own_kit.redis_prefix).manifest("echo")))

            await eventually(announced)


@pytest.mark.parametrize("harm", ["absent from the start", "gone later"])
@pytest.mark.quiet
async def test_service_without_redis_is_unready_and_can_be_stopped(
    own_kit: KitSettings, own_redis: RedisServer, harm: str
) -> None:
    if harm == "absent from the start":
        own_redis.kill()
    served = Served(own_kit, echo.service())
    if harm == "gone later":
        await served.ready()
        own_redis.kill()
    await eventually(lambda: served.health.report().get("echo.bus") == service.NO_REDIS)
    assert served.health.status() == "unready"
    async with at_most(STOPS_WITHIN_S):
        await served.end()


async def test_store_that_is_let_go_late_is_waited_for(kit: KitSettings, party: Connected) -> None:
    busy = 5

    @contextlib.asynccontextmanager
    async def start(_context: Context) -> AsyncIterator[Echo]:
        nonlocal busy
        busy -= 1
        if busy > 0:
            raise StoreBusy("somebody has it")
        yield Echo()

    async with serving(kit, Service(echo.CONTRACT, echo.routes, start)) as served:
        await served.ready()
        assert busy == 0


@pytest.mark.quiet
async def test_service_that_is_starting_can_be_stopped(kit: KitSettings) -> None:
    starting, cleaned = asyncio.Event(), asyncio.Event()

    @contextlib.asynccontextmanager
    async def start(_context: Context) -> AsyncIterator[Echo]:
        starting.set()
        try:
            await asyncio.Event().wait()
            yield Echo()
        finally:
            cleaned.set()

    async with serving(kit, Service(echo.CONTRACT, echo.routes, start)) as served:
        await starting.wait()
        async with at_most(STOPS_WITHIN_S):
            await served.end()
        assert cleaned.is_set()


async def test_state_whose_loop_fails_is_started_again(kit: KitSettings, party: Connected) -> None:
    fail = asyncio.Event()

    @contextlib.asynccontextmanager
    async def start(_context: Context) -> AsyncIterator[Echo]:
        async def loop() -> None:
            await fail.wait()
            fail.clear()
            raise KeyError("no such thing")

        async with service.running(loop()):
            yield Echo()

    async with serving(kit, Service(echo.CONTRACT, echo.routes, start)) as served:
        await served.ready()
        assert await say(party, "before") == Words("before")
        fail.set()
        await eventually(lambda: not fail.is_set())

        async def answers() -> bool:
            with contextlib.suppress(ServiceError):
                return await say(party, "after") == Words("after")
            return False

        await eventually(answers)


async def test_context_names_the_file_of_each_shard(kit: KitSettings, party: Connected) -> None:
    one = Context(0, 1, kit.data, party.bus, None)
    second = Context(1, 2, kit.data, party.bus, None)
    assert one.file("numbers").name == "numbers.sqlite3"
    assert second.file("numbers") != Context(0, 2, kit.data, party.bus, None).file("numbers")


MIGRATION = """
revision = "0001"
down_revision = None
def upgrade():
    pass
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "0001.py").write_text(MIGRATION, encoding="utf-8")
    return folder


async def test_shard_whose_disk_failed_ends_and_starts_anew(
    kit: KitSettings, party: Connected, migrations: Path
) -> None:
    """First while it starts and waits for the store, then while it serves."""
    stores: list[Store] = []

    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Echo]:
        async with open_store(context.file("echo"), migrations=migrations) as store:
            stores.append(store)
            if len(stores) == 1:
                await asyncio.Event().wait()  # as a loop that tries again until it is stored
            yield Echo()

    async with serving(kit, Service(echo.CONTRACT, echo.routes, start)) as served:
        await eventually(lambda: stores)
        stores[0].is_broken = True
        await eventually(lambda: "does not start" in str(served.health.report()))
        await served.ready()
        stores[1].trouble = "the disk is full"
        assert served.health.report()["echo.shards"] == "echo.sqlite3: the disk is full"
        assert served.health.status() == "unready"
        stores[1].is_broken = True
        await eventually(lambda: len(stores) == 3)
        await served.ready()
        assert await say(party, "back") == Words("back")
