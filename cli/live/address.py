"""Where a server is: `WS` and `--url`, as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

DEFAULT: Final = "http://127.0.0.1:8080"

_SECURE: Final = {"http": False, "ws": False, "https": True, "wss": True}
_OWN_PATHS: Final = frozenset({"", "/", "/socket.io", "/socket.io/"})


@dataclass(frozen=True, slots=True)
class Server:
    """One address of a Pulso: `http` and `ws` are URLs without a path."""

    http: str
    ws: str


class BadAddress(ValueError):
    """What is wrong with an address, and how one is written."""


def servers_of(text: str) -> tuple[Server, ...]:
    """The addresses in a text, separated by commas. Raises `BadAddress`."""
    servers = tuple(_server(part.strip()) for part in text.split(",") if part.strip())
    if not servers:
        raise BadAddress(f"no address of a server; write one as in {DEFAULT}")
    return servers


def _server(text: str) -> Server:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as fault:
        raise BadAddress(f"{text!r} is no address ({fault}); write one as in {DEFAULT}") from None
    if parts.scheme not in _SECURE or not parts.hostname or "@" in parts.netloc or port == 0:
        raise BadAddress(f"{text!r} is no address of a server; write one as in {DEFAULT}")
    if parts.path not in _OWN_PATHS or parts.query or parts.fragment:
        raise BadAddress(f"{text!r} has more than scheme, host and port; write {parts.scheme}://{parts.netloc}")
    tail = "s" if _SECURE[parts.scheme] else ""
    return Server(f"http{tail}://{parts.netloc}", f"ws{tail}://{parts.netloc}")


def check_address(text: str) -> None:
    """Raises `BadAddress` where the text names no servers."""
    servers_of(text)
