"""Pulso as an operator runs it: a process for each service and gateway, on a Redis that may be broken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp

from tests import programs
from tests.conftest import free_port
from tests.known import knows
from tests.redis_server import RedisServer
from tests.waiting import at_most, eventually

STOPS_WITHIN_S: Final = 10.0
"""What an operator is promised: a process that is asked to stop has ended by then."""

ASK_AGAIN_S: Final = 0.1

PEPPER: Final = "a pepper for tests that is long enough"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs: the address that it listens on, and the command that runs others there."""

    address: str
    inside: tuple[str, ...] = ()


HERE: Final = Place("127.0.0.1")


class Program:
    """One `python -m services.<name>` with a log of its own, which outlives its restarts."""

    def __init__(
        self, service: str, environ: Mapping[str, str], log: Path, http: aiohttp.ClientSession, place: Place
    ) -> None:
        self.service = service
        self.log = log
        self.place = place
        self.port, self._ops_port = free_port(), free_port()
        self._environ = {
            **environ,
            "PULSO_OPS_PORT": str(self._ops_port),
            "PULSO_OPS_HOST": place.address,
            **({"PULSO_PORT": str(self.port), "PULSO_HOST": place.address} if service == "gateway" else {}),
        }
        self._http = http
        self._process: programs.Program | None = None

    @property
    def url(self) -> str:
        """Where a gateway is reached."""
        return f"http://{self.place.address}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns once the process is spawned: it may take a while until it is ready."""
        with self.log.open("ab") as log:
            self._process = await spawn(self.service, self._environ, log, inside=self.place.inside)

    async def kill(self) -> None:
        """As with -9: nothing is said to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self, *, within_s: float = STOPS_WITHIN_S) -> int:
        """Ask it to end, and be told its exit code. Fails where it takes longer."""
        return await self._end(signal.SIGTERM, within_s)

    def pause(self) -> None:
        """It hangs: its connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def status(self) -> str:
        """`ready`, `standby`, `unready`; `away` where nobody answers on the ops port."""
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with self._http.get(f"{self._ops_url}/readyz", timeout=timeout) as response:
                status = str((await response.json())["status"])
        except (aiohttp.ClientError, TimeoutError):
            return "away"
        assert (response.status == 200) == (status == "ready")
        return status

    async def metrics(self) -> str:
        """As Prometheus reads them."""
        async with self._http.get(f"{self._ops_url}/metrics") as response:
            return await response.text()

    async def answer(self) -> str:
        """What it says of all that it depends on."""
        async with self._http.get(f"{self._ops_url}/readyz") as response:
            return await response.text()

    async def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        lines = (await self.metrics()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    @property
    def _ops_url(self) -> str:
        return f"http://{self.place.address}:{self._ops_port}"

    async def becomes(self, *statuses: str, within_s: float | None = None) -> None:
        async def is_it() -> bool:
            assert self._process is not None
            assert self._process.returncode is None, f"{self.service} ended:\n{self.log.read_text('utf-8')}"
            return await self.status() in statuses

        await eventually(is_it, within_s=within_s, every_s=ASK_AGAIN_S)

    async def stays(self, status: str, *, until: float) -> None:
        """Fails if it says anything else, or ends, before this time of the loop's clock."""
        while asyncio.get_running_loop().time() < until:
            assert await self.status() in (status, "away")  # not answered in time: the machine is busy
            assert self._process is not None
            assert self._process.returncode is None
            await asyncio.sleep(ASK_AGAIN_S)

    def complaints(self) -> list[str]:
        """Logged errors, and traces of what nothing caught: no fault of another process is a reason for any."""
        return [f"{self.service}: {line}" for line in self.log.read_text("utf-8").splitlines() if _is_fault(line)]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _end(self, number: signal.Signals, within_s: float = STOPS_WITHIN_S) -> int:
        assert self._process is not None
        self._signal(number)
        async with at_most(within_s):
            return await self._process.wait()


class Deployment:
    """The programs of one Pulso, with what they share: a Redis, a prefix and a folder for the databases."""

    def __init__(
        self, redis: RedisServer, folder: Path, http: aiohttp.ClientSession, environ: Mapping[str, str]
    ) -> None:
        self.redis = redis
        self.expected: set[str] = set()
        """Events that may be logged as errors here: a disk that fails is worth one."""
        self.http = http
        self.programs: list[Program] = []
        self.data = folder / "data"
        self._folder = folder
        self._environ = {
            "PULSO_REDIS_URL": redis.url,
            "PULSO_DATA": str(self.data),
            "PULSO_UPLOADS": str(folder / "uploads"),
            "PULSO_PEPPER": PEPPER,
            "PULSO_BCRYPT_COST": "4",
            "PULSO_LIMIT_GUESTS_PER_MINUTE": "0",
            "PULSO_LIMIT_EVENTS_PER_SECOND": "0",
            **environ,
        }
        self.data.mkdir()

    async def start(
        self, service: str, *, place: Place = HERE, logs: Path | None = None, **settings: object
    ) -> Program:
        """Spawn one more program, with further PULSO_* settings, its log perhaps in another folder."""
        more = {f"PULSO_{name.upper()}": str(value) for name, value in settings.items()}
        log = (logs or self._folder) / f"{service}-{len(self.programs)}.log"
        program = Program(service, {**self._environ, **more}, log, self.http, place)
        self.programs.append(program)
        await program.start()
        return program

    async def start_all(self, *services: str, **settings: object) -> list[Program]:
        """Spawn these together and wait until each is ready, or stands by for another."""
        programs = [await self.start(service, **settings) for service in services]
        await asyncio.gather(*(program.becomes("ready", "standby") for program in programs))
        started = {*services} - {"gateway"}
        await asyncio.gather(
            *(knows(program.url, started) for program in programs if program.service == "gateway")
        )
        return programs

    async def close(self) -> None:
        await asyncio.gather(*(program.kill() for program in self.programs))

    def complaints(self) -> list[str]:
        lines = [line for program in self.programs for line in program.complaints()]
        return [line for line in lines if not any(f'"event": "{event}"' in line for event in self.expected)]


@contextlib.asynccontextmanager
async def deployed(
    redis: RedisServer, folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Deployment]:
    """A Pulso of which nothing runs yet. All of it is killed at the end, and its logs must hold no error."""
    # Cookies would stand in for the tokens that people come with here.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        deployment = Deployment(redis, folder, http, environ or {})
        try:
            yield deployment
        finally:
            await deployment.close()
        assert deployment.complaints() == []


async def spawn(
    service: str, settings: Mapping[str, str], errors: IO[bytes] | int, *, inside: Sequence[str] = ()
) -> programs.Program:
    """`python -m services.<service>` with these PULSO_* settings and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    return await programs.start(f"services.{service}", environ={**clean, **settings}, stderr=errors, inside=inside)


def _is_fault(line: str) -> bool:
    """Each line of a healthy log is a JSON object, and none of its level `error`."""
    try:
        return bool(json.loads(line)["level"] in ("error", "critical"))
    except (ValueError, TypeError, KeyError):
        return True
