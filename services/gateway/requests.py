"""What the gateway reads off an HTTP request before it believes it: address, scheme, origin, body."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, web

from pulso.errors import ServiceError
from services.gateway.engine.handshake import AnyRequest
from services.gateway.relay import MAX_PAYLOAD_BYTES

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BODY_WITHIN_S: Final = 20.0
"""A body that is not complete by then is no longer waited for. The answer has ten more seconds to be noticed."""

MAX_HEAD_BYTES: Final = 32 * 1024
"""All headers together, as nginx has it; aiohttp bounds the lines (8 KiB) and how many there are (128)."""

# RFC 9112 wants any other to be refused: it is part of links and of what counts as our own origin.
_HOST: Final = re.compile(r"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_OWN_SITE: Final = frozenset({"same-origin", "none"})


class Edge:
    """What is known about the world in front of the gateway: trusted proxies and further origins."""

    def __init__(self, *, trusted_proxies: Iterable[str], origins: Iterable[str]) -> None:
        self._proxies: list[Network] = [ipaddress.ip_network(network) for network in trusted_proxies]
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def address(self, request: AnyRequest) -> str:
        """The client's address: the peer's, or what a trusted proxy in front says."""
        if self._behind_proxy(request):
            forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
            try:
                address = ipaddress.ip_address(forwarded)
            except ValueError:
                pass
            else:
                # A scope (`fe80::1%eth0`) may be any text, and says nothing beyond the machine that wrote it.
                return str(address).partition("%")[0]
        return request.remote or ""

    def is_secure(self, request: AnyRequest) -> bool:
        return self._scheme(request) == "https"

    def is_own_origin(self, request: AnyRequest) -> bool:
        """Whether a page of ours (or of a further origin that was allowed) is behind the request.

        Browsers leave Origin out of a same-origin GET; Sec-Fetch-Site, which no script can set, says it then.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return request.headers.get("Sec-Fetch-Site") == "same-origin"
        own = f"{self._scheme(request)}://{request.host}".lower()
        return origin.lower() == own or origin.lower() in self._origins

    def check_forgery(self, request: web.Request) -> None:
        """Refuse what another site made a browser send. Raises `ServiceError("forbidden")`.

        Programs send neither header: they have no cookie that anybody could abuse.
        """
        site = request.headers.get("Sec-Fetch-Site")
        allowed = site is None or site in _OWN_SITE
        if "Origin" in request.headers:
            allowed = self.is_own_origin(request)
        if not allowed:
            raise ServiceError("forbidden", "This request came from another site.")

    def _behind_proxy(self, request: AnyRequest) -> bool:
        try:
            peer = ipaddress.ip_address(request.remote or "")
        except ValueError:
            return False
        return any(peer in network for network in self._proxies)

    def _scheme(self, request: AnyRequest) -> str:
        if self._behind_proxy(request):
            return request.headers.get("X-Forwarded-Proto", request.scheme)
        return request.scheme


def check_form(request: web.Request) -> None:
    """Refuse what HTTP allows nobody to send and aiohttp lets pass. Raises `ServiceError("bad_request")`."""
    host = request.headers.get("Host")
    if (
        request.version < HttpVersion10
        or (request.version < HttpVersion11 and "Transfer-Encoding" in request.headers)  # RFC 9112, 6.1
        or (host is not None and not _HOST.fullmatch(host))
        or not _is_for(host, request.raw_path)
    ):
        raise ServiceError("bad_request", "This is not a valid HTTP request.")
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD_BYTES:
        raise ServiceError("bad_request", f"The headers may have {MAX_HEAD_BYTES} bytes.")


def _is_for(host: str | None, target: str) -> bool:
    """A target that is more than a path must say the same as the Host: there is one answer to whom it is for."""
    return target.startswith(("/", f"http://{host}/")) or target == "*"


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header; None where there is no such header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def json_body(request: web.Request) -> bytes:
    """The body as sent. Raises `ServiceError`: `too_large`, or `bad_request` for what is not declared JSON."""
    if not request.can_read_body:
        return b""
    if request.content_type != "application/json":
        raise ServiceError("bad_request", "Send the body as application/json.")
    # aiohttp is told not to unpack anything (see server.py): a small body must not become a large one here.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ServiceError("bad_request", "Send the body uncompressed.")
    if (request.content_length or 0) > MAX_PAYLOAD_BYTES:
        raise _too_large()  # known before it has come
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await request.read()
    except TimeoutError:
        raise ServiceError("bad_request", "The body did not arrive in time.") from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.HTTPException, ValueError, OSError):
        raise ServiceError("bad_request", "The body could not be read.") from None


def _too_large() -> ServiceError:
    return ServiceError("too_large", f"A body may have {MAX_PAYLOAD_BYTES} bytes.")
