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
import threading
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Final

from tests.waiting import PATIENCE_S

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
    wire, (to_it, from_it, complaints) = _asked_for(
        module, arguments, environ, (stdin, stdout, stderr), inside=inside
    )
    _, program = await asyncio.get_running_loop().create_unix_connection(Program, sock=wire)
    await program.begins(to_it, from_it, complaints, limit=limit)
    return program


class Waited:
    """As a `subprocess.Popen` of text is, for tests that wait without a loop."""

    def __init__(
        self, module: str, *arguments: str, environ: Mapping[str, str], stdout: File = PIPE, stderr: File = PIPE
    ) -> None:
        wire, (_, out, err) = _asked_for(module, arguments, environ, (DEVNULL, stdout, stderr))
        self.stdout, self.stderr = (None if end is None else TextIOWrapper(end, "utf-8") for end in (out, err))
        self.returncode: int | None = None
        self._wire = wire
        self.pid = int(self._told())

    def wait(self, timeout: float | None = None) -> int:
        """Raises `TimeoutError` where it has not ended by then."""
        if self.returncode is None:
            self._wire.settimeout(timeout)
            self.returncode = int(self._told())
            self._wire.close()
        return self.returncode

    def communicate(self, timeout: float = PATIENCE_S) -> tuple[str, str]:
        """All that it says, once it has ended. It is killed where it has not by then."""
        too_late = threading.Timer(timeout, self.kill)
        too_late.start()
        try:
            with ThreadPoolExecutor(1) as other:
                complaint = other.submit(_text_of, self.stderr)
                said = _text_of(self.stdout)
                self.wait()
                return said, complaint.result()
        finally:
            too_late.cancel()

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing is done where it was waited for already."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it, if it still runs, and leave nothing open."""
        self.kill()
        self.wait()
        for end in (self.stdout, self.stderr):
            if end is not None:
                end.close()

    def _told(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            more = self._wire.recv(1)
            assert more, "the fork server has ended"
            line += more
        return line


def _asked_for(
    module: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    files: Sequence[File],
    *,
    inside: Sequence[str] = (),
) -> tuple[socket.socket, list[End]]:
    """What tells of a program that will run, and our ends of its files."""
    differs = {name for name in {*environ, *os.environ} if environ.get(name) != os.environ.get(name)}
    anew = inside or any(name.startswith(READ_BY_THE_LOADER) for name in differs)
    wanted = {
        "module": module,
        "arguments": arguments,
        "command": [*inside, sys.executable, "-m", module, *arguments] if anew else [],
        "cwd": str(REPOSITORY),
        "environ": dict(environ),
    }
    ours, wire = socket.socketpair()
    with wire, contextlib.ExitStack() as theirs:
        ends = [_end(file, number, theirs) for number, file in enumerate(files)]
        socket.send_fds(_server(), [b"."], [wire.fileno()])
        socket.send_fds(ours, [json.dumps(wanted).encode(), b"\n"], [given for given, _ in ends])
    return ours, [own for _, own in ends]


def _end(wanted: File, number: int, theirs: contextlib.ExitStack) -> tuple[int, End]:
    """What the program gets, and our own end where that is a pipe."""
    if wanted is None:
        return number, None
    if wanted == PIPE:
        reading, writing = os.pipe()
        given, own = (reading, os.fdopen(writing, "wb")) if number == 0 else (writing, os.fdopen(reading, "rb"))
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


def _text_of(stream: IO[str] | None) -> str:
    return "" if stream is None else stream.read()


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
