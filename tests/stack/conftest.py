"""One stack for all tests in this folder: built, started with three gateways, and always taken down."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.stack.clients import Clients
from tests.stack.compose import Stack

GATEWAYS = 3


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(f"pulso-test-{os.getpid()}", tmp_path_factory.mktemp("compose"))
    try:
        stack.build()
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def stack(built: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """All of it healthy, whatever the test before did to it. The logs are printed where a test fails."""
    built.up(gateways=GATEWAYS)
    failures = request.session.testsfailed
    yield built
    if request.session.testsfailed > failures:
        print(built.logs())  # noqa: T201  # pytest shows it


@pytest.fixture
def clients(stack: Stack) -> Iterator[Clients]:
    opened = Clients(stack.url)
    yield opened
    opened.close()
