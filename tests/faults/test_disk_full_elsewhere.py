"""The disks of everything but the databases full to the last byte: spool, uploads, Redis' file, log.

Mounts small filesystems, and so needs root: `make faults`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.cases import Case
from tests.faults.deployment import Deployment, Program
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.member import Member
from tests.faults.people import crowd, everybody_acked, guest, more_acks, nothing_is_lost, under_load
from tests.faults.test_chat import token_of
from tests.faults.test_disk_full import PEOPLE, case, town_of
from tests.waiting import eventually

pytestmark = pytest.mark.long


async def test_the_spool_of_the_journal(
    deployment: Deployment, disk: SmallDisk, chance: Random, report: Callable[[Case], None]
) -> None:
    deployment.expected |= {"the journal's spool cannot be written"}
    async with town_of(deployment, gateways={"data": disk.path}) as town, contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(town.talking(chance))
        await town.more(100)
        disk.fill()
        await town.more(300)
        await eventually(lambda: "spool cannot be written" in town.gateways[0].log.read_text("utf-8"))
        disk.make_room()
        await town.more(50)
        await stack.aclose()
        await town.all_is_stored()
        assert [await gateway.metric("pulso_journal_dropped_total") for gateway in town.gateways] == [0.0, 0.0]
    report(case("a gateway's spool: records go through memory"))


async def test_uploads(deployment: Deployment, tmp_path: Path, report: Callable[[Case], None]) -> None:
    deployment.expected |= {"an upload cannot be stored"}
    with small_disk(tmp_path / "uploads", size_mb=80) as disk:
        _, gateway, _ = await deployment.start_all("auth", "gateway", "chat", uploads=disk.path)
        await gateway.becomes("ready")
        token = await token_of(deployment, gateway.url, "Ana")
        member = Member("Ana", token, gateway.port, [], Random(1))
        async with member.present():
            assert await upload(deployment, gateway, token, while_half=None) == (201, "")
            assert await upload(deployment, gateway, token, while_half=disk.fill) == (503, "unavailable")
            assert len(stored_files(disk)) == 1
            assert await upload(deployment, gateway, token, while_half=None) == (503, "unavailable")
            await member.say("the text goes on")
            disk.make_room()
            assert await upload(deployment, gateway, token, while_half=None) == (201, "")
            assert len(stored_files(disk)) == 2
    report(case("the uploads' folder: 503, nothing half is left, the chat goes on"))


async def test_the_append_only_file_of_redis(
    deployment: Deployment, disk: SmallDisk, chance: Random, report: Callable[[Case], None]
) -> None:
    redis = deployment.redis
    redis.kill()
    redis.start("--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(disk.path))
    _, numbers, gateway = await deployment.start_all("auth", "numbers", "gateway")
    await gateway.becomes("ready")
    async with crowd(deployment.http, [gateway.url], PEOPLE) as people:
        async with under_load(people, chance):
            await more_acks(people, 100)
            disk.fill()
            await eventually(lambda: "leases cannot be renewed" in numbers.log.read_text("utf-8"))
            # Longer than any lease: messages go on, and so do those who serve.
            await numbers.stays("ready", until=asyncio.get_running_loop().time() + 5)
            await everybody_acked(people)
            late = await deployment.start("gateway")
            await late.becomes("ready")
            rui = await guest(deployment.http, late.url, "Rui")
            await rui.connect(late.url)
            assert await rui.set(5)
            disk.make_room()
            await eventually(lambda: "leases are renewed again" in numbers.log.read_text("utf-8"))
            await everybody_acked(people)
        assert not any(person.refusals for person in people)
        await nothing_is_lost([*people, rui], gateway.url)
        await rui.close()
    assert await numbers.status() == "ready"
    report(case("the AOF of Redis: who serves goes on; nobody takes over"))


async def test_the_log(disk: SmallDisk, deployment: Deployment, report: Callable[[Case], None]) -> None:
    """Every registration is worth a line."""
    auth = await deployment.start("auth", logs=disk.path)
    _, gateway = await deployment.start_all("numbers", "gateway", limit_registrations_per_minute=0)
    disk.fill()
    for number in range(100):
        await token_of(deployment, gateway.url, f"user-{number}")
    assert await auth.metric("pulso_log_lines_lost_total") > 0
    assert await auth.status() == "ready"
    disk.make_room()
    await token_of(deployment, gateway.url, "after")
    await eventually(lambda: auth.log.read_text("utf-8").rstrip().endswith("}"))
    await auth.kill()
    auth.log.write_text("", encoding="utf-8")  # lines are cut off where there was no more room
    report(case("the log's disk: lines are lost and counted, requests are not"))


async def upload(
    deployment: Deployment, gateway: Program, token: str, *, while_half: Callable[[], None] | None
) -> tuple[int, str]:
    """8 MB; something may happen in the middle. The status, and the code of the error."""

    async def body() -> AsyncIterator[bytes]:
        for part in range(8):
            if part == 4 and while_half is not None:
                while_half()
            yield bytes(1 << 20)

    with aiohttp.MultipartWriter("form-data") as form:
        form.append(body(), {"Content-Type": "application/octet-stream"}).set_content_disposition(
            "form-data", name="files", filename="zeros.bin"
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with deployment.http.post(f"{gateway.url}/api/chat/files", data=form, headers=headers) as response:
            return response.status, (await response.json()).get("error", {}).get("code", "")


def stored_files(disk: SmallDisk) -> list[str]:
    return [path.name for path in disk.path.iterdir() if "chat-" in path.name]
