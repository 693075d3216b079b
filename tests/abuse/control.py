"""A healthy client in a process of its own, which asks all the while and notes how long each answer took.

Run as a program it signs in at the address it is given, calls an acked event and an HTTP endpoint ten times a
second, and prints one JSON array a round: seconds until the ack, seconds until the response.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.conftest import REPOSITORY
from tests.stopwatch import Stopwatch

EVERY_S: Final = 0.1
IS_BUSY: Final = "PYTEST_XDIST_WORKER" in os.environ
ANSWERED_WITHIN_S: Final = 30.0 if IS_BUSY else 2.0
"""Two are promised, which `make abuse` asks for; beside other workers a stall may be theirs and past when seen."""
STARTS_WITHIN_S: Final = 60.0
LOOK_S: Final = 0.5
WELCOME: Final = '42["numbers:value"'


@dataclass(frozen=True, slots=True)
class Round:
    ack_s: float
    response_s: float


class Control:
    """The healthy client as the tests see it. Close it at the end."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, url],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stdout is not None
        self._said: list[Round] = []
        self._said_at = time.monotonic()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._more = threading.Condition()
        self._reading.start()
        self.wait_for(1, since=0, within_s=STARTS_WITHIN_S)

    def mark(self) -> int:
        return len(self._said)

    def since(self, mark: int) -> list[Round]:
        return self._said[mark:]

    def wait_for(self, count: int, *, since: int, within_s: float) -> list[Round]:
        """Returns what was noted since, once that is `count` rounds."""
        with self._more:
            came = self._more.wait_for(lambda: len(self._said) - since >= count, within_s)
        assert came, f"the control client was not answered {count} times within {within_s:g} s"
        return self.since(since)

    def complaints(self, since: int) -> list[str]:
        """What a healthy client had to suffer, but for what everybody suffers on a busy machine."""
        silent_s = time.monotonic() - self._said_at
        slowest_s = max((silent_s - EVERY_S, *(max(noted.ack_s, noted.response_s) for noted in self.since(since))))
        if self._process.poll() is not None:
            return [f"ended with {self._process.returncode}; what it was refused stands above"]
        if slowest_s > ANSWERED_WITHIN_S and slowest_s > ANSWERED_WITHIN_S * slowness():
            return [f"waited {slowest_s:.1f} s for an answer"]
        return []

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            noted = Round(*json.loads(line))
            with self._more:
                self._said.append(noted)
                self._said_at = time.monotonic()
                self._more.notify_all()


def slowness() -> float:
    """How much slower this machine is at the moment than it would be for us alone."""
    with Stopwatch() as stopwatch:
        time.sleep(LOOK_S)
    return stopwatch.slowness


def p99_s(rounds: list[Round]) -> float:
    """Of all answers, acks and responses alike."""
    times = sorted(seconds for noted in rounds for seconds in (noted.ack_s, noted.response_s))
    return times[int(len(times) * 0.99)]


async def ask_forever(url: str) -> None:
    """Ends with an exception where anything but the right answer comes."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post("/api/auth/guest", json={"name": "Control"}) as response:
            token = (await response.json())["access_token"]
        async with http.ws_connect("/socket.io/?EIO=4&transport=websocket", origin=url) as socket:
            await socket.receive_str()
            await socket.send_str("40" + json.dumps({"token": token}))
            await _hear(socket, WELCOME)
            number = 0
            while True:
                began = loop.time()
                number = (number + 1) % 100
                await socket.send_str(f'42{number}["numbers:set",{{"value":{number}}}]')
                answer = await _hear(socket, f"43{number}[")
                (said,) = json.loads(answer[answer.index("[") :])
                assert said == {"value": number} or _is_for_want_of_time(said), answer
                acked = loop.time()
                async with http.get("/api/auth/me") as response:
                    body = await response.json()
                    assert response.status == 200 or _is_for_want_of_time(body), body
                responded = loop.time()
                print(json.dumps([acked - began, responded - acked]), flush=True)  # noqa: T201  # its report
                await asyncio.sleep(max(0.0, began + EVERY_S - responded))


def _is_for_want_of_time(answer: Any) -> bool:
    """Where other workers want the machine they may be the reason; how long it took is noted all the same."""
    return IS_BUSY and answer.get("error", {}).get("code") in ("timeout", "unavailable")


async def _hear(socket: aiohttp.ClientWebSocketResponse, wanted: str) -> str:
    """The next message that begins so; pings are answered meanwhile."""
    while not (said := await socket.receive_str()).startswith(wanted):
        if said == "2":
            await socket.send_str("3")
    return said


if __name__ == "__main__":
    asyncio.run(ask_forever(sys.argv[1]))
