"""A real Redis server of the tests' own, which they may pause, kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import IO, Final, Protocol

from redis import Redis

from cli.embedded_redis import find_server

START_TIMEOUT_S: Final = 60.0


class Killable(Protocol):
    def kill(self) -> None: ...


class RedisServer:
    """Listens on a Unix socket in `folder`, which must have a short path; keeps nothing on the disk."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        """Returns once connections are accepted."""
        self._process = subprocess.Popen(
            [find_server(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", *options],
            cwd=self._folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        await_line(self._process, self._process.stdout, "ready to accept connections", START_TIMEOUT_S)

    def kill(self) -> None:
        """As with -9: nothing is said to anybody."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Connections stay open, and are even made; nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def cut_off_subscribers(self, chance: Random, *, share: float = 0.5) -> None:
        """Such a share of them, whoever they are: Redis closes the connections of those that read too slowly."""
        with Redis(unix_socket_path=str(self.socket)) as redis:
            ids = [client["id"] for client in redis.client_list(_type="pubsub")]
            for id_ in chance.sample(ids, -int(-len(ids) * share // 1)):
                redis.client_kill_filter(_id=id_)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._signal(number)
            self._process.wait(START_TIMEOUT_S)
            self._process = None


def await_line(process: Killable, output: IO[str], awaited: str, timeout_s: float) -> str:
    """The first line with `awaited` in it; what comes after is read away, so that the process never waits."""
    said: list[str] = []
    too_late = threading.Timer(timeout_s, process.kill)
    too_late.start()
    try:
        for line in output:
            said.append(line)
            if awaited in line:
                threading.Thread(target=_read_away, args=(output,), daemon=True).start()
                return line
    finally:
        too_late.cancel()
    raise AssertionError(f"never said {awaited!r} within {timeout_s:g} s:\n{''.join(said)}")


def _read_away(output: IO[str]) -> None:
    for _ in output:
        pass
