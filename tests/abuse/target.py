"""The Pulso under attack: a real `pulso up` in a process of its own, and what can be seen of it from outside."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from tests.admission import AGAIN_S, MAY_BE_TRIED_AGAIN
from tests.conftest import Stack

MEBIBYTE: Final = 1 << 20
SETTLED_BYTES: Final = MEBIBYTE
"""Memory that changes less than this from one look to the next has settled."""
SETTLES_WITHIN_S: Final = 15.0
LOOK_EVERY_S: Final = 0.5
PASSWORD: Final = "correct horse battery"
ADMIN: Final = "root"

_COOKIE: Final = re.compile(r"pulso_session=[^;]+")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who is signed in: an access token, and the cookie as a header's value."""

    id: str
    name: str
    token: str
    cookie: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Target:
    def __init__(self, stack: Stack) -> None:
        self.url, self.ops_url, self.data = stack.url, stack.ops_url, stack.data
        at = urlsplit(stack.url)
        assert at.hostname is not None and at.port is not None
        self.host, self.port = at.hostname, at.port
        self._process = psutil.Process(stack.pid)
        self._log = stack.data.parent / "log"
        self.uploads = stack.data.parent / "uploads"
        self.uploads.mkdir(exist_ok=True)  # else it is made when the first file comes
        self.people = 0

    def guest(self, name: str = "Rui") -> Account:
        return self._signed_in("guest", {"name": name})

    def user(self, username: str | None = None) -> Account:
        """A new account with the password `PASSWORD`."""
        self.people += 1
        username = username or f"person{self.people}"
        email = f"{username}@example.com"
        return self._signed_in(
            "register", {"name": "Ana", "username": username, "email": email, "password": PASSWORD}
        )

    def admin(self) -> Account:
        """Whoever asks first registers the admin."""
        try:
            return self.user(ADMIN)
        except urllib.error.HTTPError as refused:
            assert refused.code == 409
            return self._signed_in("login", {"username": ADMIN, "password": PASSWORD})

    def json(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """What a GET answers; fails where that is an error."""
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, headers=dict(headers or {}))
        ) as answer:
            return json.load(answer)

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        with urllib.request.urlopen(f"{self.ops_url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.split()[0] == name))

    def hashes(self) -> int:
        """How many password hashes were made or checked so far."""
        return int(self.metric("pulso_auth_hash_seconds_count"))

    def memory_bytes(self) -> int:
        """What the process has in memory, once that does not change any more."""
        until = time.monotonic() + SETTLES_WITHIN_S
        now, before = 0, -SETTLED_BYTES
        while abs(now - before) >= SETTLED_BYTES and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
            before, now = now, int(self._process.memory_info().rss)
        return now

    def log_size(self) -> int:
        return self._log.stat().st_size

    def complaints(self, since: int) -> list[str]:
        """Errors that were logged after the log had this size, and traces of what nothing caught."""
        with self._log.open("rb") as log:
            log.seek(since)
            return [line for line in log.read().decode().splitlines() if is_fault(line)]

    def _signed_in(self, route: str, body: Mapping[str, str]) -> Account:
        request = urllib.request.Request(
            f"{self.url}/api/auth/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        while True:
            try:
                with urllib.request.urlopen(request) as answer:
                    found = json.load(answer)
                    cookie = _COOKIE.match(answer.headers["Set-Cookie"])
                break
            except urllib.error.HTTPError as refused:
                if refused.code not in MAY_BE_TRIED_AGAIN:
                    raise
                time.sleep(AGAIN_S)
        assert cookie is not None
        return Account(found["user"]["id"], found["user"]["name"], found["access_token"], cookie[0])


def is_fault(line: str) -> bool:
    """Each line of a healthy log is a JSON object, none of its level `error`, and none about an answer of 500."""
    try:
        entry = json.loads(line)
        return entry["level"] in ("error", "critical") or entry.get("status") == 500
    except (ValueError, TypeError, KeyError):
        return True
