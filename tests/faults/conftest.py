"""Fixtures for fault tests: a deployment to break, a crowd that uses it, and chance that can be repeated."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from tests import cases
from tests.cases import Case
from tests.faults.deployment import Deployment, Program, deployed
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.people import Person, crowd
from tests.redis_server import RedisServer

PEOPLE = 20
SUITE = "faults"


@pytest.fixture
def seed() -> int:
    """Shown with a failure; FAULTS_SEED repeats it."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
    sys.stdout.write(f"FAULTS_SEED={seed}\n")
    return seed


@pytest.fixture
def chance(seed: int) -> Random:
    """Says when and what is broken."""
    return Random(seed)


@pytest.fixture
def report(request: pytest.FixtureRequest, seed: int) -> Callable[[Case], None]:
    """Puts a case into the table that is shown at the end of the run."""

    def add(case: Case) -> None:
        if case.name[0] != " ":
            case = replace(case, name=f"{case.name} (FAULTS_SEED={seed})")
        cases.add(request.node, SUITE, case)

    return add


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A test that breaks a deployment and reports no figures is a case by its name."""
    outcome = yield
    named = any(suite == SUITE for suite, _ in item.user_properties)
    if call.when == "call" and not named and "deployment" in getattr(item, "fixturenames", ()):
        name = item.name.removeprefix("test_").replace("_", " ")
        seen = "so it is" if outcome.get_result().passed else "FAILED"
        cases.add(item, SUITE, Case(name, "so it is", f"{seen}, in {call.duration:.0f} s"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Needs root."""
    with small_disk(tmp_path / "disk", size_mb=16) as disk:
        yield disk


@pytest.fixture
async def deployment(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(own_redis, tmp_path) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Pulso:
    """Auth, numbers and two gateways, ready, each in a process of its own."""

    deployment: Deployment
    auth: Program
    numbers: Program
    gateways: list[Program]

    @property
    def urls(self) -> list[str]:
        return [gateway.url for gateway in self.gateways]

    @property
    def all(self) -> list[Program]:
        return [self.auth, self.numbers, *self.gateways]

    async def become(self, *statuses: str, within_s: float | None = None) -> None:
        """Returns once every process has one of these statuses."""
        await asyncio.gather(*(program.becomes(*statuses, within_s=within_s) for program in self.all))


@pytest.fixture
async def pulso(deployment: Deployment) -> Pulso:
    auth, numbers, *gateways = await deployment.start_all("auth", "numbers", "gateway", "gateway")
    return Pulso(deployment, auth, numbers, gateways)


@pytest.fixture
async def people(pulso: Pulso) -> AsyncIterator[list[Person]]:
    """A crowd, half of it at each gateway."""
    async with crowd(pulso.deployment.http, pulso.urls, PEOPLE) as everybody:
        yield everybody
