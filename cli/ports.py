"""Ports of this machine: whether one is free, and which are."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from collections.abc import Iterator
from typing import Final

from cli.child import CannotStart

# Below what Linux gives to outgoing connections, so that none of those takes a port before its program does.
_CANDIDATES: Final = range(20000, 32000)


def require_free(host: str, port: int, *, flag: str) -> None:
    """Raises `CannotStart`, with what to do, where nothing can listen there."""
    if port not in range(65536):
        raise CannotStart(f"{port} is not a port: {flag} takes 0 to 65535.")
    try:
        with _bound(host, port):
            pass
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            problem = f"Port {port} on {host} is taken by another program. Stop it, or choose another"
        elif fault.errno == errno.EACCES:
            problem = f"Port {port} is reserved for the system. Choose one from 1024 up"
        else:
            problem = f"Nothing can listen on {host}:{port} ({fault.strerror or fault}). Choose another"
        raise CannotStart(f"{problem} with {flag}.") from fault


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Ports on which nobody listens now, in random order so that two who ask at once rarely meet."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in random.sample(_CANDIDATES, k=len(_CANDIDATES)):
            if len(found) == count:
                return found
            with contextlib.suppress(OSError):
                held.enter_context(_bound(host, port))
                found.append(port)
    raise CannotStart(f"There are not {count} free ports on {host}.")


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[None]:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        yield
