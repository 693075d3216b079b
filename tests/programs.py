"""Pulso's programs, each in a process of its own: `python -m MODULE`, by a server that has the libraries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

REPOSITORY: Final = Path(__file__).parents[1]
File = IO[bytes] | int | None
End = IO[bytes] | None
READ_BY_THE_LOADER: Final = ("LD_", "PYTHON")
"""Variables that a process must have from its first instruction on."""


class Program(asyncio.Protocol):
    """As `asyncio.subprocess.Process` is; made by `start`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self.returncode: int | None = None
        self._out: asyncio.BaseTransport | None = None
        self._said = b""
        self._began: asyncio.Future[int] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()

    @property
    def pid(self) -> int:
        return self._began.result()

    async def begins(self, stdin: End, stdout: End, stderr: End, *, limit: int) -> None:
        """Read from and write to these, and return once it has a process."""
        if stdin is not None:
            self.stdin = await _writer(stdin)
        if stdout is not None:
            self.stdout, self._out = await _reader(stdout, limit)
        if stderr is not None:
            self.stderr, _ = await _reader(stderr, limit)
        await asyncio.shield(self._began)

    def read_no_more(self) -> None:
        """Close its standard output, as `| head` does."""
        assert self._out is not None
        self._out.close()

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def communicate(self) -> tuple[bytes, bytes]:
        """All that it says, once it has ended."""
        said, complaint = await asyncio.gather(*(_all_of(stream) for stream in (self.stdout, self.stderr)))
        await self.wait()
        return said, complaint

    def send_signal(self, number: signal.Signals) -> None:
        """Raises `ProcessLookupError` where it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def data_received(self, data: bytes) -> None:
        self._said += data
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            if not self._began.done():
                self._began.set_result(int(line))
            else:
                self.returncode = int(line)
                self._ended.set_result(self.returncode)

    def connection_lost(self, exc: Exception | None) -> None:
        for awaited in (self._began, self._ended):
            if not awaited.done():
                awaited.set_exception(exc or EOFError("the fork server has ended"))
                awaited.exception()  # whoever waits is told; it may be that nobody does


async def start(
    module: str,
    *arguments: str,
    environ: Mapping[str, str],
    stdin: File = DEVNULL,
    stdout: File = None,
    stderr: File = None,
    limit: int = 1 << 16,
    inside: Sequence[str] = (),
) -> Program:
    """Run it in the repository's folder, with this environment alone; files as `subprocess` takes them.

    `limit` is the length of the longest line that can be read from it. `inside` is a command that runs others in
    another place.
    """
    differs = {name for name in {*environ, *os.environ} if environ.get(name) != os.environ.get(name)}
    anew = inside or any(name.startswith(READ_BY_THE_LOADER) for name in differs)
    wanted = {
        "module": module,
        "arguments": arguments,
        "command": [*inside, sys.executable, "-m", module, *arguments] if anew else [],
        "cwd": str(REPOSITORY),
        "environ": dict(environ),
    }
    loop = asyncio.get_running_loop()
    ours, wire = socket.socketpair()
    with wire, contextlib.ExitStack() as theirs:
        ends = [_end(file, number, theirs) for number, file in enumerate((stdin, stdout, stderr))]
        socket.send_fds(_server(), [b"."], [wire.fileno()])
        socket.send_fds(ours, [json.dumps(wanted).encode(), b"\n"], [given for given, _ in ends])
    _, program = await loop.create_unix_connection(Program, sock=ours)
    await program.begins(*(own for _, own in ends), limit=limit)
    return program


def _end(wanted: File, number: int, theirs: contextlib.ExitStack) -> tuple[int, End]:
    """What the program gets, and our own end where that is a pipe."""
    if wanted is None:
        return number, None
    if wanted == PIPE:
        reading, writing = os.pipe()
        given, own = (reading, open(writing, "wb")) if number == 0 else (writing, open(reading, "rb"))
        theirs.callback(os.close, given)
        return given, own
    if wanted == DEVNULL:
        given = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, given)
        return given, None
    return wanted if isinstance(wanted, int) else wanted.fileno(), None


async def _reader(end: IO[bytes], limit: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader(limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, end)
    return reader, transport


async def _writer(end: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, end)
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


@cache
def _server() -> socket.socket:
    """Runs for as long as this process, and ends when its end of the socket is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
            cwd=REPOSITORY, pass_fds=(theirs.fileno(),), stdin=DEVNULL,
        )  # fmt: skip
    return ours
