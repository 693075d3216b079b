"""The request that opens a transport: what of it is kept, and what makes it a WebSocket's."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp._cookie_helpers import parse_cookie_header
from multidict import CIMultiDictProxy

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
# A second one would be a second opinion; the parser refuses a second Host itself.
_ONLY_ONCE: Final = ("Origin", "Sec-Fetch-Site", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
)


class Handshake(msgspec.Struct, frozen=True):
    """What identity is read from. It is called as in `web.Request`, so that one rule judges both."""

    headers: CIMultiDictProxy[str]
    remote: str | None
    scheme: str

    @classmethod
    def of(cls, request: web.Request) -> Handshake:
        """The request itself would keep aiohttp's side of the connection alive, 8 KB a client."""
        return cls(request.headers, request.remote, request.scheme)

    @property
    def host(self) -> str:
        return self.headers.get("Host", "")

    @property
    def cookies(self) -> Mapping[str, str]:
        parsed = parse_cookie_header(self.headers.get("Cookie", ""))  # as `web.Request.cookies` does it
        return MappingProxyType({name: morsel.value for name, morsel in parsed})


AnyRequest = web.Request | Handshake

MoreHeaders = Callable[[Handshake], bytes]
"""Complete lines that the answer to a WebSocket's handshake has besides RFC 6455's."""


class NotAHandshake(ValueError):
    """A request that asks for a WebSocket in a way that RFC 6455 does not allow."""


def accept_key(method: str, version: HttpVersion, headers: CIMultiDictProxy[str]) -> bytes:
    """RFC 6455, section 4.2: what a request without body is answered with. Raises `NotAHandshake`."""
    tokens = {token.strip().lower() for token in ",".join(headers.getall("Connection", ())).split(",")}
    if (
        method != "GET"
        or version < HttpVersion11
        or "upgrade" not in tokens
        or headers.get("Upgrade", "").strip().lower() != "websocket"
        or headers.get("Sec-WebSocket-Version") != "13"
    ):
        raise NotAHandshake
    for name in _ONLY_ONCE:
        if len(headers.getall(name, ())) > 1:
            raise NotAHandshake
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(binascii.a2b_base64(key, strict_mode=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise NotAHandshake
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())


def switching(key: bytes, more: bytes) -> bytes:
    """The head of the answer. No extension is agreed on: permessage-deflate costs 256 KB a connection."""
    return _SWITCHING % (key, more)
