"""Password hashes, made and checked in threads of their own that the event loop always wins against.

`bcrypt(base64(HMAC-SHA-384(pepper, password)))`: the HMAC takes passwords of any length past bcrypt's 72 bytes and
its NUL, and makes a stolen database worthless without the pepper, which is not in it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import bcrypt
from prometheus_client import Gauge, Histogram

from pulso.errors import ServiceError

T = TypeVar("T")

MAX_WAITING: Final = 256
"""Hashes in hand at the most, waiting ones included; past this a sign-in is refused at once."""

PATIENCE_S: Final = 30.0
"""A hash that could not begin for so long is not begun: whoever asked for it has gone."""

NICENESS: Final = 10
"""The loop (0) gets nine times a hashing thread's share; at 19 a busy machine would leave people waiting."""

_WAITING = Gauge("pulso_auth_hashes_waiting", "Password hashes in hand, waiting ones included.")
_SECONDS = Histogram("pulso_auth_hash_seconds", "Seconds for one password hash, without the wait.")
_BUSY: Final = "Too many people are signing in right now. Try again in a moment."


class Passwords:
    """`cost` is bcrypt's, the logarithm of its rounds. Close it at the end."""

    def __init__(
        self, pepper: str, *, cost: int, threads: int | None = None, max_waiting: int = MAX_WAITING
    ) -> None:
        self._pepper = pepper.encode()
        self._cost = cost
        self._max_waiting = max_waiting
        self._waiting = 0
        self._pool = ThreadPoolExecutor(
            threads or default_threads(), thread_name_prefix="bcrypt", initializer=_give_way
        )
        # No password hashes to this, but it takes as long to find out as with a real one.
        self._nobodys = (bcrypt.gensalt(cost) + b"." * 31).decode()

    async def hash(self, password: str) -> str:
        """Raises `ServiceError("unavailable")` where too many wait, as `matches` does."""
        digest = self._digest(password)
        return await self._in_pool(lambda: bcrypt.hashpw(digest, bcrypt.gensalt(self._cost)).decode())

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password; None is the hash of somebody who does not exist, and takes as long."""
        digest = self._digest(password)
        matched = await self._in_pool(lambda: _check(digest, hashed or self._nobodys))
        return matched and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made at another cost than is now set."""
        return not hashed.startswith(f"$2b${self._cost:02d}$")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _digest(self, password: str) -> bytes:
        """One spelling for each text (RFC 8265): what a Mac and a phone send for "é" may differ in bytes."""
        text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._pepper, text, hashlib.sha384))

    async def _in_pool(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._max_waiting:
            raise ServiceError("unavailable", _BUSY)
        give_up_at = time.monotonic() + PATIENCE_S

        def timed() -> T:
            if time.monotonic() > give_up_at:
                raise ServiceError("unavailable", _BUSY)
            with _SECONDS.time():
                return work()

        self._waiting += 1
        _WAITING.set(self._waiting)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, timed)
        finally:
            self._waiting -= 1
            _WAITING.set(self._waiting)


def default_threads() -> int:
    """One core less than there are, but two where there are two: the threads give way to the loop."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(2, cores - 1)


def _check(digest: bytes, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(digest, hashed.encode())
    except ValueError:  # a malformed hash is nobody's password
        return False


def _give_way() -> None:
    """Run in each thread of the pool. Linux alone has a niceness for each thread, under the thread's own id."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
