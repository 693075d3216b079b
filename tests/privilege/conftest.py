"""A Redis with the ACL of a whole Pulso, and somebody who may look at what it refused."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hiredis
import pytest

from cli.embedded_redis import find_server, major_version, new_passwords
from cli.permissions import SERVICES, users_of
from pulso.permissions import SELECTORS_SINCE, acl_file
from pulso.resp import command
from tests.redis_server import RedisServer

PREFIX: Final = "pulso"
ANSWERS_WITHIN_S: Final = 30.0
REFUSALS: Final = (
    "NOPERM",
    "The user executing the script can't",
    "unknown subcommand",
    "command not allowed",  # DEBUG and MODULE, which Redis 7 keeps from everybody
)
STRANGER: Final = "bell"
"""A service that Pulso has never heard of."""
USERS: Final = ("gateway", "cli", "health", STRANGER, *SERVICES)


class Wire:
    """One connection that sends what it is told to and nothing by itself, and reads one reply to each."""

    def __init__(self, path: Path, user: str, password: str) -> None:
        self._path = path
        self._sign_in = ("AUTH", user, password)
        self._connect()

    def ask(self, *words: str) -> Any:
        """The reply; an error is returned, not raised. None where Redis hangs up, and then connects anew."""
        self._socket.sendall(command(*(word.encode() for word in words)))
        while (reply := self._parser.gets()) is False:
            if not (data := self._socket.recv(1 << 16)):
                self._connect()
                return None
            self._parser.feed(data)
        return reply

    def is_refused(self, *words: str) -> bool:
        """Whether the ACL forbids it. What fails otherwise was let through."""
        reply = self.ask(*words)
        return isinstance(reply, hiredis.ReplyError) and any(words in str(reply) for words in REFUSALS)

    def is_let_in(self) -> bool:
        return self._let_in

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_fault: object) -> None:
        self._socket.close()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWERS_WITHIN_S)
        self._socket.connect(str(self._path))
        self._parser = hiredis.Reader()
        self._let_in = self.ask(*self._sign_in) == b"OK"


@dataclass(frozen=True, slots=True)
class Guarded:
    """`has_selectors`: it tells publishing from subscribing, as Redis does from version 7 on."""

    server: RedisServer
    passwords: dict[str, str]
    has_selectors: bool

    def client(self, user: str) -> Wire:
        return Wire(self.server.socket, user, self.passwords[user])

    def auditor(self) -> Wire:
        return Wire(self.server.socket, "auditor", "any")


@pytest.fixture(scope="session")
def guarded() -> Iterator[Guarded]:
    services = (*SERVICES, STRANGER)
    passwords = new_passwords(PREFIX) | {STRANGER: "of a bell"}
    has_selectors = major_version(find_server()) >= SELECTORS_SINCE
    text = acl_file(users_of(PREFIX, services), passwords, has_selectors=has_selectors)
    # Not pytest's own folders: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pulso-") as folder:
        acl = Path(folder) / "users.acl"
        acl.write_text(f"{text}user auditor reset on nopass allkeys allchannels +@all\n", encoding="utf-8")
        server = RedisServer(Path(folder))
        server.start("--aclfile", str(acl))
        yield Guarded(server, passwords, has_selectors)
        server.kill()
