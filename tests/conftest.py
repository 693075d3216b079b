"""Fixtures for all tests: Redis servers, a kit of the test's own, a party on the bus, a whole running Pulso."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import uvloop

from pulso.channels import Channels
from pulso.party import Connected, connected
from pulso.settings import KitSettings
from tests.alone import Turns
from tests.cases import Tables
from tests.known import SERVICES, all_in
from tests.programs import Waited
from tests.redis_server import RedisServer, await_line
from tests.waiting import ASK_EVERY_S, PATIENCE_S, in_own_task

REPOSITORY: Final = Path(__file__).parents[1]
QUIET_PORTS: Final = range(10_000, 32_000)
MOST_WORKERS: Final = 6
STACK_STARTS_WITHIN_S: Final = 120.0
STACK_STOPS_WITHIN_S: Final = 60.0


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tables("abuse", "faults"))
    worker = getattr(config, "workerinput", None)  # pytest-xdist's, where it shares the run among processes
    config.pluginmanager.register(Turns(secrets.token_hex(4) if worker is None else worker["testrunuid"]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are processors: tests wait as much as they compute."""
    return min(MOST_WORKERS, 2 * (os.cpu_count() or 1))


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the event loop that Pulso runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Shared by all tests, each with a prefix of its own: not to be harmed."""
    yield from _redis_server()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """The test's own, to be killed, paused and restarted."""
    yield from _redis_server()


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture
def kit(redis_url: str, tmp_path: Path) -> KitSettings:
    """Settings with a prefix and a data folder of the test's own."""
    return kit_on(redis_url, tmp_path)


@pytest.fixture
def own_kit(own_redis: RedisServer, tmp_path: Path) -> KitSettings:
    """As `kit`, on the Redis that the test may break."""
    return kit_on(own_redis.url, tmp_path)


@pytest.fixture
async def party(kit: KitSettings) -> AsyncIterator[Connected]:
    """Somebody on the bus who can call: its inbox is listened to."""
    async with in_own_task(connected(kit, name="party", inbox=Channels.gateway)) as up:
        await up.bus.listen(up.bus.inbox, up.bus.take_replies)
        yield up


@pytest.fixture
async def own_party(own_kit: KitSettings) -> AsyncIterator[Connected]:
    """As `party`, on the Redis that the test may break."""
    async with in_own_task(connected(own_kit, name="party", inbox=Channels.gateway)) as up:
        await up.bus.listen(up.bus.inbox, up.bus.take_replies)
        yield up


@dataclass(frozen=True, slots=True)
class Stack:
    """A running `pulso up`: where it is reached, and the folder with its databases."""

    url: str
    ops_url: str
    data: Path
    pid: int


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A whole Pulso in a process of its own with a Redis of its own, shared by all tests.

    All of them come from one address, as often as they like.
    """
    yield from run_stack(
        PULSO_BCRYPT_COST="4", PULSO_LIMIT_GUESTS_PER_MINUTE="0", PULSO_LIMIT_REGISTRATIONS_PER_MINUTE="0"
    )


def kit_on(redis_url: str, data: Path) -> KitSettings:
    return KitSettings(redis_url=redis_url, redis_prefix=f"t-{secrets.token_hex(4)}", data=data, ops_port=0)


def run_stack(
    *, before: Callable[[Path], None] | None = None, gateways: int | None = None, **settings: str
) -> Iterator[Stack]:
    """Start `pulso up` with these PULSO_* settings, yield it once it is ready, stop it.

    `before` is called with the data folder, before anything runs. So many `gateways` are behind an nginx.
    """
    folder = Path(tempfile.mkdtemp(prefix="pulso-"))
    if before is not None:
        before(folder / "data")
    port, ops_port = free_port(), free_port()
    command = ["up", "--port", str(port), "--ops-port", str(ops_port), "--data", str(folder / "data")]
    if gateways is not None:
        command += ["--gateways", str(gateways)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    log_path = folder / "log"
    with log_path.open("w", encoding="utf-8") as log:
        environ = {**clean, "PULSO_UPLOADS": str(folder / "uploads"), **settings}
        process = Waited("cli", *command, environ=environ, stderr=log)
    try:
        assert process.stdout is not None
        try:
            await_line(process, process.stdout, "ready http://", STACK_STARTS_WITHIN_S)
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{log_path.read_text(encoding='utf-8')}") from None
        url = f"http://127.0.0.1:{port}"
        _await_all_known(url)
        yield Stack(url, f"http://127.0.0.1:{ops_port}", folder / "data", process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STACK_STOPS_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _await_all_known(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        with urllib.request.urlopen(f"{url}/api/openapi.json") as answer:
            document = answer.read().decode()
        if all_in(document, SERVICES):
            return
        assert time.monotonic() < until, "a service was never known"
        time.sleep(ASK_EVERY_S)


def free_port() -> int:
    """One that no outgoing connection is given: those would take it before, or between, our processes.

    Each worker of a run has ports of its own, and gives none of them twice before it has given all.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _own_ports() -> list[int]:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = QUIET_PORTS[number % workers :: workers]
    return random.sample(ports, len(ports))


_ports = itertools.cycle(_own_ports())


def _redis_server() -> Iterator[RedisServer]:
    # Not pytest's own folders: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pulso-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.kill()
