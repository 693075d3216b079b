"""Programs that run beside us: started, awaited until ready, started again when they end, stopped.

Each runs in a process group of its own, so that a Ctrl-C in the terminal reaches us alone and we stop them in
order, and so that what a program leaves behind (the workers of an nginx that was killed) can be swept away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from pulso.probes import OK

FIRST_BACKOFF_S: Final = 0.2
MAX_BACKOFF_S: Final = 5.0
STEADY_AFTER_S: Final = 30.0
"""A program that has run for this long is started again at once when it ends."""

ASK_EVERY_S: Final = 0.05
LAST_LINES: Final = 8

_SHIM: Final = Path(__file__).with_name("die_with_parent.py")

log = structlog.get_logger(__name__)


class CannotStart(Exception):
    """Why Pulso does not start, in a sentence for the person who started it."""


@dataclass(frozen=True, slots=True)
class Program:
    """How to run a program and how to know that it works.

    `is_ready` is asked again and again. `when_orphaned` is the signal that the program gets when we are gone: one
    that lets it end its own children. `keep_open` are descriptors that it inherits. The output of a `logged`
    program goes into our log line by line; the others write to our standard error themselves.
    """

    name: str
    arguments: tuple[str, ...]
    is_ready: Callable[[], Awaitable[bool]]
    environ: Mapping[str, str] | None = None
    keep_open: tuple[int, ...] = ()
    logged: bool = True
    when_orphaned: signal.Signals = signal.SIGTERM
    starts_within_s: float = 60.0
    stops_within_s: float = 10.0


class Child:
    """A program that is kept running; `status` is `ok`, or what is wrong with it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.status = "not started"
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def report(self) -> str:
        """A check for `Health.watch`."""
        return self.status

    async def start(self) -> None:
        """Returns once the program is ready. Raises `CannotStart` where it ends, or is not ready in time."""
        program = self.program
        self.status = "starting"
        self._lines.clear()
        process = self._process = await self._spawn()
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(program.starts_within_s):
                while not await program.is_ready():
                    if await _ends_within(ended, ASK_EVERY_S):
                        raise CannotStart(
                            f"{program.name} ended with status {process.returncode}{await self._said()}"
                        )
        except TimeoutError:
            await self.stop()
            raise CannotStart(
                f"{program.name} was not ready within {program.starts_within_s:g} s{await self._said()}"
            ) from None
        finally:
            ended.cancel()
        self.status = OK

    async def keep(self) -> None:
        """Start the program again whenever it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        backoff_s = FIRST_BACKOFF_S
        began = loop.time()
        while True:
            if self.status == OK and self._process is not None:
                code = await self._process.wait()
                self.status = f"ended with status {code}"
                self._sweep()
                log.warning("program ended", program=self.program.name, status=code)
                if loop.time() - began > STEADY_AFTER_S:
                    backoff_s = FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
            began = loop.time()
            try:
                await self.start()
                log.info("program started again", program=self.program.name)
            except (CannotStart, OSError) as fault:
                self.status = str(fault)
                log.error("program not started", program=self.program.name, fault=str(fault))

    async def stop(self) -> None:
        """Ask the program to end; after `stops_within_s` it is killed, and whatever else is in its group."""
        process = self._process
        if process is None:
            return
        self.status = "stopped"
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self.program.stops_within_s):
                await process.wait()
        except TimeoutError:
            log.warning("program killed: it did not end when asked", program=self.program.name)
        finally:
            self._sweep()
        await process.wait()
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=1)
            self._reading.cancel()

    async def _spawn(self) -> Process:
        program = self.program
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()), str(int(program.when_orphaned))),
            *program.arguments,
            env=program.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE if program.logged else sys.stderr,
            stderr=STDOUT if program.logged else None,
            pass_fds=program.keep_open,
            start_new_session=True,
        )
        if process.stdout is not None:
            self._reading = asyncio.create_task(self._log_lines(process.stdout), name=f"{program.name}-output")
        return process

    async def _log_lines(self, output: asyncio.StreamReader) -> None:
        with contextlib.suppress(ValueError):  # a line without an end: nothing that we run writes one
            async for raw in output:
                line = raw.decode(errors="replace").strip()
                if line:
                    self._lines.append(line)
                    # While it starts and stops a program talks much; a start that fails tells its last lines.
                    say = log.info if self.status == OK else log.debug
                    say("program output", program=self.program.name, line=line)

    async def _said(self) -> str:
        """The last words of a program that failed, as the end of a sentence."""
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=1)
        return ": " + " | ".join(self._lines) if self._lines else "."

    def _sweep(self) -> None:
        """Kill what is left of the program's process group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def kept_running(*programs: Program) -> AsyncIterator[list[Child]]:
    """Run these programs meanwhile: yields once all are ready, and starts again any that ends.

    Raises `CannotStart` where one of them cannot be started at first.
    """
    children = [Child(program) for program in programs]
    try:
        started = await asyncio.gather(*(child.start() for child in children), return_exceptions=True)
        for fault in started:
            if fault is not None:
                raise fault
        keepers = [asyncio.create_task(child.keep(), name=f"keep-{child.program.name}") for child in children]
        try:
            yield children
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.wait(keepers)
    finally:
        await asyncio.gather(*(child.stop() for child in children))


async def _ends_within(task: asyncio.Task[int], seconds: float) -> bool:
    done, _ = await asyncio.wait((task,), timeout=seconds)
    return bool(done)
