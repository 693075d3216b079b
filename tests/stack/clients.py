"""Several clients of the official JavaScript library in one Node process, and what they saw."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("clients.mjs")

Seen = dict[str, Any]


class Clients:
    """Tells the clients what to do and waits for what they see. `seen` is everything so far, in order."""

    def __init__(self, url: str) -> None:
        node = shutil.which("node")
        assert node, "node is needed to run the JavaScript client"
        self._process = subprocess.Popen(
            [node, str(PROGRAM), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.seen: list[Seen] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def open(self, client: str, *, transports: tuple[str, ...] = ("websocket",), cookies: bool = False) -> None:
        self._tell(client, "open", transports=transports, cookies=cookies)

    def set(self, client: str, value: int, *, timeout_s: float = 10) -> None:
        """Set a value and wait for the acknowledgement."""
        since = self.mark()
        self._tell(client, "set", value=value)
        self.wait_for(client, "acked", value=value, since=since, timeout_s=timeout_s)

    def mark(self) -> int:
        """A point in time: what is seen from now on has this index or a higher one."""
        return len(self.seen)

    def wait_for(self, client: str, event: str, *, since: int = 0, timeout_s: float = 10, **fields: Any) -> Seen:
        wanted = {"client": client, "event": event, **fields}
        return self.wait_until(
            lambda: next((one for one in self.seen[since:] if wanted.items() <= one.items()), None),
            f"{wanted}, {self.of(client, since)} instead",
            timeout_s,
        )

    def wait_until(self, find: Callable[[], Seen | None], what: str, timeout_s: float) -> Seen:
        until = time.monotonic() + timeout_s
        with self._news:
            while (found := find()) is None:
                if not self._news.wait(until - time.monotonic()):
                    raise AssertionError(f"not seen within {timeout_s} s: {what}; all: {self.seen[-30:]}")
            return found

    def of(self, client: str, since: int = 0) -> list[Seen]:
        return [one for one in self.seen[since:] if one["client"] == client]

    def gateway(self, client: str) -> str:
        """The gateway of a client's latest connection."""
        return str([one["gateway"] for one in self.of(client) if one["event"] == "ready"][-1])

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)

    def _tell(self, client: str, deed: str, **more: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"client": client, "do": deed, **more}) + "\n")

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._news:
                self.seen.append(json.loads(line))
                self._news.notify_all()
