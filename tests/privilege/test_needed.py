"""A whole Pulso, each part of it signed in as itself: Redis refuses nothing that it asks for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from cli.permissions import SERVICES, all_in_one, users_of
from cli.reached import reached
from cli.settings import read
from cli.stack import services_of
from cli.status import status_of
from pulso import copies
from pulso.contract import ANONYMOUS, Nothing
from pulso.permissions import PUBLISH, SUBSCRIBE
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from services.auth import contract as auth
from services.gateway.app import serve_gateway
from tests.conftest import REPOSITORY, free_port
from tests.known import knows
from tests.patient_client import PatientClient
from tests.privilege.conftest import PREFIX, Guarded
from tests.waiting import eventually

ANA: Final = {"name": "Ana", "username": "ana", "email": "ana@example.org", "password": "long enough to do"}


async def test_every_part_does_its_work_as_its_own_user(guarded: Guarded, tmp_path: Path) -> None:
    def kit_of(user: str) -> KitSettings:
        return KitSettings(
            redis_url=guarded.server.url,
            redis_prefix=PREFIX,
            redis_username=user,
            redis_password=guarded.passwords[user],
            data=tmp_path,
            ops_port=0,
        )

    found = read(
        {"PULSO_DATA": str(tmp_path), "PULSO_UPLOADS": str(tmp_path / "uploads"), "PULSO_BCRYPT_COST": "4"}
    )
    found = replace(found, sales=replace(found.sales, sales_generator="0.2"))
    stop = asyncio.Event()
    ports = [free_port(), free_port()]
    healths = [Health() for _ in (*SERVICES, *ports)]
    parts = [
        *(
            (service.contract.service, lambda kit, h, s=service: serve(s, kit, h, stop))
            for service in services_of(found)
        ),
        *(
            ("gateway", lambda kit, h, p=port: serve_gateway(replace(found.gateway, port=p), kit, h, stop))
            for port in ports
        ),
    ]
    assert {name for name, _ in parts} == {*SERVICES, "gateway"}
    with guarded.auditor() as auditor:
        auditor.ask("FLUSHALL")  # what other tests have left
        auditor.ask("ACL", "LOG", "RESET")
        running = [
            asyncio.create_task(run(kit_of(name), health))
            for (name, run), health in zip(parts, healths, strict=True)
        ]
        try:
            await eventually(lambda: all(health.status() == "ready" for health in healths))
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            await asyncio.gather(*(knows(url, SERVICES) for url in urls))
            await _a_day(urls)
            await _an_operators_errands(kit_of("cli"))
        finally:
            stop.set()
            await asyncio.gather(*running)
        assert _refused(auditor.ask("ACL", "LOG")) == []


async def _a_day(urls: list[str]) -> None:
    """What people do: sign up, mistype a password, run numbers, talk, send a file, look around, log out."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(urls[0], cookie_jar=jar) as http:
        wrong = {"username": "ana", "password": "not this one, is it"}
        token = (await _posted(http, "/api/auth/register", ANA))["access_token"]
        async with http.post("/api/auth/login", json=wrong) as refused:
            assert refused.status == 401
        bearer = {"Authorization": f"Bearer {token}"}
        form = aiohttp.FormData()
        form.add_field("file", b"\x89PNG\r\n\x1a\n" + bytes(64), filename="a.png")
        tabs = [PatientClient(), PatientClient()]
        try:
            for tab, url in zip(tabs, urls, strict=True):
                await tab.connect(url, auth={"token": token})
            for event, payload in (
                ("numbers:set", {"value": 37}), ("numbers:even", {}), ("numbers:watch", {}),
                ("presence:watch", {}),
                ("sales:watch", {}), ("clock:now", {}), ("chat:join", {"room": "sala-1"}),
                ("chat:typing", {"typing": True}), ("chat:join", {"room": "sala-2"}),
            ):  # fmt: skip
                answer = await tabs[0].call(event, payload)
                assert "error" not in answer, (event, answer)
            async with http.post("/api/chat/files", data=form, headers=bearer) as uploaded:
                assert uploaded.status == 201, await uploaded.text()
                (file,) = (await uploaded.json())["files"]
            sent = {"id": "7d3f6a52-6f0e-4a1c-9a57-0d7c8f1d2b3e", "text": "olá", "files": [file["id"]]}
            assert (await tabs[0].call("chat:send", sent))["seq"] >= 1
            async with http.post("/api/auth/logout", headers=bearer, json={}) as answer:
                assert answer.status == 200
        finally:
            for tab in tabs:
                await tab.disconnect()


async def _an_operators_errands(kit: KitSettings) -> None:
    status = await status_of(kit)
    assert {process.report.service for process in status.processes} == {*SERVICES, "gateway"}
    assert status.redis is not None
    async with reached(kit) as up:
        promoted = await up.bus.call(
            up.bus.channels.service("auth", 0), auth.PROMOTE, auth.Promotion("ana"), ANONYMOUS
        )
        assert promoted.kind == "admin"
        for service in SERVICES:
            channel = up.bus.channels.files(service, 0)
            copy = await up.bus.call(channel, copies.MAKE, Nothing(), ANONYMOUS)
            await up.bus.call(channel, copies.DROP, copies.Drop(copy.copy), ANONYMOUS)


async def _posted(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> Any:
    async with http.post(path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def _refused(log: Iterable[list[bytes]]) -> list[dict[str, str]]:
    entries = []
    for row in log:
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in row]
        entry = dict(zip(words[::2], words[1::2], strict=True))
        entries.append({name: entry[name] for name in ("username", "reason", "context", "object")})
    return entries


def test_no_user_is_given_a_command_that_the_code_does_not_send() -> None:
    """By the source: what is written in capitals where Redis is spoken to, and what scripts call."""
    sent = set()
    for path in [*(REPOSITORY / "pulso").rglob("*.py"), *(REPOSITORY / "services").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        sent |= set(re.findall(r"\.command\(\s*\"([A-Z]+)\"", text)) | set(
            re.findall(r"redis\.call\('(\w+)'", text)
        )
        sent |= {word.upper() for word in re.findall(r"_redis\.(\w+)\(", text)}
    sent |= {word.upper() for word in PUBLISH | SUBSCRIBE} | {"PING", "EVALSHA", "SCRIPT"}
    given = {
        command.partition("|")[0].upper()
        for user in users_of(PREFIX)
        for grant in user.grants
        for command in grant.commands
    }
    assert given == sent


def test_one_user_for_a_whole_pulso_has_what_all_have() -> None:
    (grant,) = all_in_one("default", PREFIX).grants
    assert grant.commands >= {c for user in users_of(PREFIX) for g in user.grants for c in g.commands}
    assert grant.keys == grant.channels == (f"{PREFIX}:*",)
