"""Who a program is to a server: it signs in once, as a guest or with a password, and renews its access token.

What it is given to keep is the session's cookie. With that it gets new access tokens, for as long as the session
lives; a token by itself lives for some minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec

from cli.answers import SignedIn, reason_of, refusal_of, seconds_of
from cli.live.address import Server

ANSWERED_WITHIN_S: Final = 20.0
RENEW_AHEAD_SHARE: Final = 0.25
"""A token is renewed, when one is needed, once it has only this share of its life left."""

_FINAL: Final = frozenset({400, 401, 403, 404, 405, 409, 422})


class Away(Exception):
    """The server does not do it right now; `code` and `retry_after_s` where it says why, and until when."""

    def __init__(self, why: str, *, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.retry_after_s = retry_after_s


class Denied(Exception):
    """The server answers, and the answer will stay no. `status` is that of HTTP; 0: this is not a Pulso."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody without an account; without a name the server makes one up."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str


def http_session(*, at_once: int = 4) -> aiohttp.ClientSession:
    """For accounts: cookies are not kept in it, they would make all of them one person."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWERED_WITHIN_S),
    )


class Account:
    """`begins_anew`: where the session is over, sign in once more. A guest is somebody else then."""

    def __init__(self, http: aiohttp.ClientSession, who: Guest | Login, *, begins_anew: bool) -> None:
        self._http = http
        self._begins_anew = begins_anew
        self._who = who
        self._cookie = ""
        self._token = ""
        self._renew_at = 0.0

    async def token(self, server: Server) -> str:
        """An access token that lives for a while yet. Raises `Away` and `Denied`."""
        if not self._cookie:
            await self._sign_in(server)
        elif monotonic() >= self._renew_at:
            await self._renew(server)
        return self._token

    def distrust(self) -> None:
        """The token was refused: the next one is a new one."""
        self._renew_at = 0.0

    async def _sign_in(self, server: Server) -> None:
        if isinstance(self._who, Login):
            body = {"username": self._who.username, "password": self._who.password}
            await self._post(server, "login", body)
        else:
            await self._post(server, "guest", {"name": self._who.name} if self._who.name else {})

    async def _renew(self, server: Server) -> None:
        try:
            await self._post(server, "token", {}, {"Cookie": self._cookie})
        except Denied as denied:
            if denied.status != 401 or not self._begins_anew:
                raise
            await self._sign_in(server)

    async def _post(
        self, server: Server, verb: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        url = f"{server.http}/api/auth/{verb}"
        try:
            async with self._http.post(url, json=body, headers=headers) as response:
                signed_in = await _signed_in(server, response)
        except aiohttp.ClientError as fault:
            raise Away(f"{server.http} does not answer ({reason_of(fault)})") from None
        except TimeoutError:
            raise Away(f"{server.http} does not answer within {ANSWERED_WITHIN_S:g} s") from None
        self._token = signed_in.access_token
        self._renew_at = monotonic() + signed_in.expires_in * (1 - RENEW_AHEAD_SHARE)
        given = (f"{cookie.key}={cookie.value}" for cookie in response.cookies.values() if cookie.value)
        self._cookie = next(given, self._cookie)


async def _signed_in(server: Server, response: aiohttp.ClientResponse) -> SignedIn:
    """Raises `Away` for what may be different later, else `Denied`."""
    body = await response.read()
    if response.status == 200:
        try:
            return msgspec.json.decode(body, type=SignedIn)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _no_pulso(server) from None
    refusal = refusal_of(body)
    if response.status in _FINAL:
        raise Denied(response.status, refusal.message) if refusal else _no_pulso(server)
    raise Away(
        refusal.message if refusal else f"{response.status} {response.reason}",
        code=refusal.code if refusal else "",
        retry_after_s=seconds_of(response.headers.get("Retry-After", "")),
    )


def _no_pulso(server: Server) -> Denied:
    return Denied(0, f"{server.http} answers, but is not a Pulso.")
