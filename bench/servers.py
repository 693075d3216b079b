"""The systems that are measured: which programs each is made of, started on the servers' core.

All of them reach their Redis over TCP; it keeps nothing on the disk. Each system has a Redis of its own, so that
its processor time counts where it belongs.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import aiohttp

from bench import machine
from cli.child import CannotStart, Child, Program
from cli.embedded_redis import find_server
from cli.front_door import answers
from cli.ports import free_ports
from pulso.config import variable_of
from services.settings import GatewaySettings

HOST: Final = "127.0.0.1"
REPOSITORY: Final = Path(__file__).parents[1]
PEER_OF_NODE: Final = machine.NODE_FOLDER / "peer.mjs"
PEER_OF_PYTHON: Final = "bench.peers.python_socketio"

NODE: Final = "Node socket.io"
PYTHON: Final = "python-socketio"
PULSO: Final = "Pulso"
PULSO_UP: Final = "Pulso in one process"

Mode = Literal["bare", "room", "store"]


@dataclass(slots=True)
class System:
    """Running programs that are one system. `port` takes websockets at /socket.io/; `tokens` is what they show."""

    name: str
    port: int
    has_guests: bool = False
    children: dict[str, Child] = field(default_factory=dict)
    other_ports: dict[str, int] = field(default_factory=dict)
    cores: frozenset[int] = field(default_factory=lambda: frozenset(machine.cores()[:1]))

    @property
    def url(self) -> str:
        return f"ws://{HOST}:{self.port}"

    def pid(self, program: str) -> int:
        pid = self.children[program].pid
        assert pid is not None, "a program that was started has an id"
        return pid

    def cpu_seconds(self, *programs: str) -> float:
        """Of these programs, or of all."""
        return sum(machine.cpu_seconds(self.pid(program)) for program in programs or self.children)

    async def metric(self, part: str, name: str) -> float:
        """One figure, without labels, of a part's /metrics; 0 where there is none."""
        url = f"http://{HOST}:{self.other_ports[f'{part}.ops']}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            found = re.search(rf"^{name} (\S+)$", await response.text(), re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    async def start(self, program: Program) -> None:
        child = self.children[program.name] = Child(program)
        with machine.pinned_to(self.cores):
            await child.start()


@contextlib.asynccontextmanager
async def node(mode: Mode) -> AsyncIterator[System]:
    """Socket.IO on Node.js."""
    node_binary = shutil.which("node")
    if node_binary is None or not (machine.NODE_FOLDER / "node_modules" / "socket.io").exists():
        raise CannotStart("Node.js or its packages are missing: `make bench` installs them.")
    command = (node_binary, "--expose-gc", str(PEER_OF_NODE))
    async with _peer(NODE, command, mode) as system:
        yield system


@contextlib.asynccontextmanager
async def python_socketio(mode: Mode) -> AsyncIterator[System]:
    """Plain python-socketio."""
    async with _peer(PYTHON, (sys.executable, "-m", PEER_OF_PYTHON), mode) as system:
        yield system


@contextlib.asynccontextmanager
async def pulso(
    *services: str, gateways: int = 1, anywhere: bool = False, **settings: str
) -> AsyncIterator[System]:
    """Redis, auth, these services and gateways, a process each, as compose runs them; all limits are off.

    They keep to the servers' core, unless they may run `anywhere` on the machine. `settings` are further PULSO_*
    variables, for all of them.
    """
    with tempfile.TemporaryDirectory(prefix="pulso-bench-") as data:
        async with _stopped_at_the_end(System(PULSO, 0, has_guests=True)) as system:
            if anywhere:
                system.cores = machine.all_cores()
            redis_url = await _start_redis(system)
            for module in ("services.auth", *services):
                name = module.removesuffix(".service").rpartition(".")[2]
                await _start_part(system, name, module, redis_url, data, settings)
            for number in range(1, gateways + 1):
                await _start_part(system, f"gateway-{number}", "services.gateway", redis_url, data, settings)
            system.port = system.other_ports["gateway-1"]
            yield system


@contextlib.asynccontextmanager
async def pulso_up() -> AsyncIterator[System]:
    """`pulso up`: every service and the gateway in one process, beside a Redis; all limits are off."""
    with tempfile.TemporaryDirectory(prefix="pulso-bench-") as data:
        port, ops_port = free_ports(2)
        async with _stopped_at_the_end(System(PULSO_UP, port, has_guests=True)) as system:
            settings = {
                "PULSO_DATA": data,
                "PULSO_REDIS_URL": await _start_redis(system),
                "PULSO_UPLOADS": f"{data}/uploads",
                "PULSO_LOG_LEVEL": "error",
                "PULSO_TOKEN_SECONDS": "86400",
                **dict.fromkeys(_limits(), "0"),
            }
            arguments = (sys.executable, "-m", "cli", "up", "--port", str(port), "--ops-port", str(ops_port))
            await system.start(_program("up", arguments, settings, port=ops_port, path="/readyz", wanted=(200,)))
            yield system


@contextlib.asynccontextmanager
async def protocol_server() -> AsyncIterator[System]:
    """The gateway's engine alone, as protocol test-suites see it."""
    (port,) = free_ports(1)
    async with _stopped_at_the_end(System(PULSO, port)) as system:
        # What the peers say first they say at once.
        arguments = (sys.executable, "-m", "bench.protocol_server", "--port", str(port), "--greet-after", "0")
        await system.start(_program("engine", arguments, port=port, path="/socket.io/", wanted=(400,)))
        yield system


@contextlib.asynccontextmanager
async def _peer(name: str, command: tuple[str, ...], mode: Mode) -> AsyncIterator[System]:
    (port,) = free_ports(1)
    async with _stopped_at_the_end(System(name, port)) as system:
        redis = () if mode == "bare" else (await _start_redis(system),)
        arguments = (*command, mode, str(port), *redis)
        # A request without parameters is answered 400 by every Engine.IO server, and leaves nothing behind.
        await system.start(_program("server", arguments, port=port, path="/socket.io/", wanted=(400,)))
        yield system


@contextlib.asynccontextmanager
async def _stopped_at_the_end(system: System) -> AsyncIterator[System]:
    try:
        yield system
    finally:
        for child in reversed(system.children.values()):
            await child.stop()


async def _start_redis(system: System) -> str:
    (port,) = free_ports(1)
    arguments = (find_server(), "--bind", HOST, "--port", str(port), "--save", "", "--loglevel", "warning")
    await system.start(
        Program("redis", arguments, is_ready=lambda: _accepts(port), environ=_environ(), stops_within_s=3.0)
    )
    return f"redis://{HOST}:{port}/0"


async def _start_part(
    system: System, name: str, module: str, redis_url: str, data: str, more: Mapping[str, str]
) -> None:
    port, ops_port = free_ports(2)
    system.other_ports |= {name: port, f"{name}.ops": ops_port}
    settings = {
        "PULSO_REDIS_URL": redis_url,
        "PULSO_DATA": data,
        "PULSO_UPLOADS": f"{data}/uploads",
        "PULSO_OPS_PORT": str(ops_port),
        "PULSO_LOG_LEVEL": "error",
        "PULSO_TOKEN_SECONDS": "86400",
        **more,
    }
    if module == "services.auth":
        # What it costs to register a crowd is not measured anywhere.
        settings |= {"PULSO_PEPPER": secrets.token_hex(32), "PULSO_BCRYPT_COST": "4"}
    if module == "services.gateway":
        settings |= {"PULSO_PORT": str(port), **dict.fromkeys(_limits(), "0")}
    arguments = (sys.executable, "-m", module)
    await system.start(_program(name, arguments, settings, port=ops_port, path="/readyz", wanted=(200,)))


def _program(
    name: str,
    arguments: tuple[str, ...],
    settings: Mapping[str, str] | None = None,
    *,
    port: int,
    path: str,
    wanted: Iterable[int],
) -> Program:
    return Program(
        name,
        arguments,
        is_ready=lambda: answers(HOST, port, path, wanted=wanted),
        environ={**_environ(), **(settings or {})},
        when_orphaned=signal.SIGKILL,
        stops_within_s=6.0,
    )


def _environ() -> dict[str, str]:
    """Ours without settings of Pulso; programs are found also where Pulso was not installed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    environ["PYTHONPATH"] = ":".join(filter(None, (str(REPOSITORY), environ.get("PYTHONPATH"))))
    return environ


def _limits() -> list[str]:
    return [variable_of(f.name) for f in dataclasses.fields(GatewaySettings) if f.name.startswith("limit_")]


async def _accepts(port: int) -> bool:
    """Whether Redis is there: it has nothing to load first."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
