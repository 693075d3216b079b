"""Starts Pulso's programs without the second of processor time that each spends on importing the libraries.

    python -m tests.fork_server DESCRIPTOR

Some five hundred programs are started in a run of the tests. This process has the libraries imported, and forks
for each; what the fork then does is what `python -m MODULE` does, in a folder and an environment and with files of
its own. The services' own modules are imported by each program itself.

Over the socket comes one byte for each program, with a socket of that program's own. From that a line of JSON is
read, with it the descriptors of standard input, output and error; to it are written the process's id, and its exit
code when it has ended, a line each. The server ends when its socket's other end is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Final

import pulso

LIBRARIES: Final = (
    "aiohttp.web", "aiohttp_jinja2", "bcrypt", "cyclopts", "filetype", "jwt", "picows", "rich.console", "socketio",
    "sqlalchemy.ext.asyncio", "uvloop",
)  # fmt: skip
STANDARD_FILES: Final = 3
READ_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """A module with its arguments; or a whole `command`, for what cannot be had in a fork."""

    module: str
    arguments: list[str]
    command: list[str]
    cwd: str
    environ: dict[str, str]

    def run(self) -> None:
        """In this process, to its end: raises what ends an interpreter."""
        os.chdir(self.cwd)
        if self.command:
            os.execvpe(self.command[0], self.command, self.environ)  # noqa: S606  # the point of it
        os.environ.clear()
        os.environ.update(self.environ)
        sys.path[0] = self.cwd
        sys.argv = [self.module, *self.arguments]
        # Anew: whether a line is written at once depends on what the file is.
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # open to the end
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1 if os.isatty(1) else -1)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


def main() -> None:
    programs = socket.socket(fileno=int(sys.argv[1]))
    for name in (*LIBRARIES, *(module.name for module in pkgutil.iter_modules(pulso.__path__, "pulso."))):
        importlib.import_module(name)
    gc.freeze()
    interrupted = signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the programs
    while True:
        more, (*own,), *_ = socket.recv_fds(programs, 1, 1)
        if not more:
            return None
        if os.fork():
            os.close(own[0])
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(programs.detach())
        wire = socket.socket(fileno=own[0])
        wanted, files = _received(wire)
        if pid := os.fork():
            _attend(pid, wire, files)
        os.close(wire.detach())
        for number, file in enumerate(files):
            os.dup2(file, number)
        for file in files:
            os.close(file)
        signal.signal(signal.SIGINT, interrupted)
        return wanted.run()


def _received(wire: socket.socket) -> tuple[Wanted, list[int]]:
    line, files, *_ = socket.recv_fds(wire, READ_AT_ONCE, STANDARD_FILES)
    while not line.endswith(b"\n"):
        line += wire.recv(READ_AT_ONCE)
    return Wanted(**json.loads(line)), files


def _attend(pid: int, wire: socket.socket, files: list[int]) -> None:
    """Tell of the program's beginning and its end. Does not return."""
    for number, file in enumerate(files):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)  # whoever reads from the program is to see it end
        os.close(file)
    # Whoever started it may be gone before it ends.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    wire.sendall(b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    wire.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


if __name__ == "__main__":
    main()
