"""Fixtures for the tests of the command line: data folders, and the `pulso` command in a process of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cli.data_folder import DataFolder, opened
from tests.programs import Waited

Pulso = Callable[..., AbstractContextManager[Waited]]


@pytest.fixture
def data() -> Iterator[Path]:
    """Where a data folder may be. Not pytest's own folder: the path of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pulso-") as parent:
        yield Path(parent).resolve() / "data"


@pytest.fixture
def folder(data: Path) -> Iterator[DataFolder]:
    """A data folder that the test itself has opened."""
    with opened(data) as folder:
        yield folder


@pytest.fixture(scope="session")
def pulso() -> Pulso:
    """Run `pulso` with these arguments and PULSO_* settings; it is killed at the end if it still runs."""

    @contextlib.contextmanager
    def run(*arguments: str, **settings: str) -> Iterator[Waited]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
        with contextlib.closing(Waited("cli", *arguments, environ={**clean, **settings})) as process:
            yield process

    return run
