"""A process from its first line to its last: settings or exit 78, signals, the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import uvloop

from pulso import config


def load_or_exit(kinds: tuple[type, ...], environ: Mapping[str, str], *, known: Iterable[type]) -> list[Any]:
    with faults_exit():
        return config.load_all(kinds, environ, known=known)


@contextlib.contextmanager
def faults_exit() -> Iterator[None]:
    """Faulty settings end the process with a line for each fault and the code that sysexits.h has for them."""
    try:
        yield
    except config.ConfigFaults as wrong:
        sys.stderr.write("".join(f"{fault}\n" for fault in wrong.faults))
        raise SystemExit(config.EX_CONFIG) from None


def run_until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run on uvloop; SIGINT and SIGTERM set the event that `main` is to stop at."""
    _allow_many_files()

    async def with_signals() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(stop)

    uvloop.run(with_signals())


def _allow_many_files() -> None:
    """Every socket is a file, and the usual soft limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
