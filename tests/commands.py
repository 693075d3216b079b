"""The `pulso` command in a process of its own, whose lines a test may wait for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from tests.programs import Program, start
from tests.waiting import eventually

T = TypeVar("T")

ENDS_WITHIN_S: Final = 120.0
"""A run of bots reads everything back before it ends."""


class Command:
    """`out` and `err` are the lines that came so far."""

    def __init__(self, process: Program) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.process = process
        self._reading = [
            asyncio.create_task(_read(stream, lines))
            for stream, lines in ((process.stdout, self.out), (process.stderr, self.err))
            if stream is not None
        ]

    @property
    def said(self) -> list[Any]:
        """The JSON objects of standard output; fails where a line is none."""
        return [json.loads(line) for line in self.out]

    def of_type(self, kind: str) -> list[Any]:
        return [line for line in self.said if line["type"] == kind]

    def events(self, name: str) -> list[Any]:
        return [line["payload"] for line in self.of_type("event") if line["event"] == name]

    async def until(self, holds: Callable[[], T], *, within_s: float | None = None) -> T:
        """As `eventually`; a failure shows what was said."""
        try:
            return await eventually(holds, within_s=within_s)
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.out[-20:]}\n{self.err[-20:]}") from None

    async def says(self, text: str) -> str:
        """The first line, of whichever stream, with this text in it."""
        return await self.until(lambda: next((line for line in [*self.out, *self.err] if text in line), ""))

    async def tell(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        await self.process.stdin.drain()

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def ends(self, *, by: signal.Signals | None = None) -> int:
        """The exit code, once all it said was read."""
        if by is not None:
            self.process.send_signal(by)
        async with asyncio.timeout(ENDS_WITHIN_S):
            code = await self.process.wait()
            await asyncio.gather(*self._reading)
        return code


@contextlib.asynccontextmanager
async def command(
    *arguments: str, stdin: int = DEVNULL, stdout: int = PIPE, **environ: str
) -> AsyncIterator[Command]:
    """Run `pulso` with these arguments and variables, and none of ours; killed at the end if it still runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    for name in ("WS", "USER", "SKIP_USER_INPUT"):
        clean.pop(name, None)
    process = await start(
        "cli", *arguments, environ={**clean, **environ}, stdin=stdin, stdout=stdout, stderr=PIPE, limit=1 << 20
    )
    running = Command(process)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await running.ends()


async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode().rstrip("\n"))
