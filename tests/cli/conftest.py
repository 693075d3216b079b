"""Fixtures for the tests of the command line: data folders, and the `pulso` command in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cli.data_folder import DataFolder, opened

REPOSITORY = Path(__file__).parents[2]

Pulso = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


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
    def run(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
        with subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            cwd=REPOSITORY,
            env={**clean, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return run
