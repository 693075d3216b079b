"""`pulso up`: it starts, says so, stops in order, and says in a sentence why it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import psutil
import pytest

from cli.data_folder import DataFolder, opened
from cli.ports import free_ports
from tests.admission import admitted
from tests.cli.conftest import Pulso
from tests.programs import Waited
from tests.redis_server import await_line
from tests.waiting import eventually

STARTS_WITHIN_S = 120.0


def _form(*files: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for number, content in enumerate(files):
        form.add_field("file", content, filename=f"{number}.png")
    return form


def _flags(data: Path, *more: str) -> tuple[str, ...]:
    port, ops_port, *_ = free_ports(6)
    return ("up", "--port", str(port), "--ops-port", str(ops_port), "--data", str(data), *more)


def _await_ready(process: Waited) -> str:
    """The URL that it says it is ready at."""
    assert process.stdout
    assert process.stderr
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return await_line(process, process.stdout, "ready http://", STARTS_WITHIN_S).split()[1]


def _readiness(flags: tuple[str, ...]) -> dict[str, str]:
    ops_port = flags[flags.index("--ops-port") + 1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ops_port}/readyz", timeout=60) as answer:
            report = json.load(answer)
    except urllib.error.HTTPError as unready:
        report = json.load(unready)
    checks: dict[str, str] = report["checks"]
    return checks


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as answer:
        status: int = answer.status
        return status


def _programs(process: Waited, name: str) -> list[int]:
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if name in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(pulso: Pulso, data: Path, number: signal.Signals) -> None:
    flags = _flags(data)
    with pulso(*flags) as process:
        assert _await_ready(process).endswith(f":{flags[2]}")
        assert set(_readiness(flags).values()) == {"ok"}
        process.send_signal(number)
        assert process.wait(120) == 0
    with opened(data):  # waits for every program that was started
        pass


async def test_a_signal_while_it_starts_stops_it(pulso: Pulso, data: Path) -> None:
    with pulso(*_flags(data, "--gateways", "2")) as process:
        await eventually(lambda: _programs(process, "services.gateway"), within_s=STARTS_WITHIN_S)
        process.terminate()
        said, complaint = await asyncio.to_thread(process.communicate, timeout=120)
    assert process.returncode == 0, complaint
    assert "ready" not in said
    with opened(data):
        pass


async def test_gateways_stand_behind_nginx_and_come_back(pulso: Pulso, data: Path) -> None:
    flags = _flags(data, "--gateways", "2")
    with pulso(*flags) as process:
        url = _await_ready(process)
        (nginx,) = _programs(process, "nginx")
        gateways = _programs(process, "services.gateway")
        assert len(gateways) == 2
        os.kill(gateways[0], signal.SIGKILL)
        await eventually(lambda: len({*_programs(process, "services.gateway")} - {*gateways}) == 1)
        os.kill(nginx, signal.SIGKILL)
        await eventually(lambda: set(_readiness(flags).values()) == {"ok"})
        assert await asyncio.to_thread(_status, f"{url}/.well-known/jwks.json") == 200
        process.kill()
        process.wait()
    with opened(data):
        pass


async def test_files_go_up_through_nginx_and_come_down_from_it(pulso: Pulso, data: Path) -> None:
    picture = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + b"\0" * 3_000_000
    settings = {"PULSO_UPLOADS": str(data / "uploads"), "PULSO_CHAT_FILE_MB": "3", "PULSO_CHAT_MESSAGE_FILES": "2"}
    with pulso(*_flags(data, "--gateways", "2"), **settings) as process:
        url = _await_ready(process)
        ana = {"name": "Ana", "username": "ana", "email": "ana@example.com", "password": "a password"}
        async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            async with admitted(http, "/api/auth/register", json=ana) as answer:
                assert answer.status == 200
            async with http.post("/api/chat/files", data=_form(picture, b"<script>")) as answer:
                assert answer.status == 201
                shown, hostile = (await answer.json())["links"]
            async with http.get(shown) as answer:
                assert await answer.read() == picture
                assert (answer.headers["Server"], answer.headers["Content-Type"]) == ("nginx", "image/png")
                assert answer.headers["Content-Disposition"] == "inline"
            async with http.get(hostile) as answer:
                assert answer.headers["Content-Disposition"] == "attachment"
                assert answer.headers["Content-Type"] == "application/octet-stream"
            # By the gateway, which counts; and by nginx, before a byte has come.
            for too_much in ([b"x" * 3_200_000], [b"x" * 2_900_000] * 6):
                async with http.post("/api/chat/files", data=_form(*too_much)) as answer:
                    assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")
        assert len(list((data / "uploads").iterdir())) == 2


def test_a_taken_port_is_told_in_a_sentence(pulso: Pulso, data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pulso("up", "--port", str(port), "--data", str(data)) as process:
            _, complaint = process.communicate()
    assert process.returncode == 1
    assert complaint == (
        f"Port {port} on 127.0.0.1 is taken by another program. Stop it, or choose another with --port.\n"
    )


def test_one_port_for_both_is_told_before_anything_runs(pulso: Pulso, data: Path) -> None:
    port = str(free_ports(1)[0])
    with pulso("up", "--port", port, "--ops-port", port, "--data", str(data)) as process:
        _, complaint = process.communicate()
    assert process.returncode == 1
    assert complaint == f"Port {port} would be --port and an ops port. Choose another --ops-port.\n"


def test_a_data_folder_in_use_is_told_in_a_sentence(pulso: Pulso, folder: DataFolder) -> None:
    with pulso(*_flags(folder.path)) as process:
        _, complaint = process.communicate()
    assert process.returncode == 1
    assert complaint.startswith(f"Another `pulso up` (process {os.getpid()}) uses the data folder")
    assert complaint.count("\n") == 1


def test_faulty_settings_are_all_told_and_nothing_is_made(pulso: Pulso, data: Path) -> None:
    with pulso("up", "--data", str(data), PULSO_TOKEN_SECONDS="soon", PULSO_GUEST="off") as process:
        _, complaints = process.communicate()
    assert process.returncode == 78
    assert "PULSO_TOKEN_SECONDS: 'soon'" in complaints
    assert "Did you mean PULSO_GUESTS?" in complaints
    assert not data.exists()


def test_a_data_folder_with_other_shards_is_refused(pulso: Pulso, data: Path) -> None:
    data.mkdir()
    (data / "numbers-0of2.sqlite3").touch()
    with pulso(*_flags(data)) as process:
        _, complaint = process.communicate()
    assert process.returncode == 78
    assert "PULSO_NUMBERS_SHARDS" in complaint
