"""Identity at the edge: from a cookie or an access token to a `Caller`.

Access tokens are checked here, against auth's public keys and the sessions that ended lately; cookies are resolved
by auth and remembered briefly. Auth tells every gateway of ended sessions before it answers a logout, so neither
outlives its session by more than that message takes.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog
from aiohttp import web

from pulso.bus import Bus
from pulso.contract import ANONYMOUS, Caller, Endpoint, Nothing
from pulso.errors import ServiceError
from pulso.tokens import InvalidToken, TokenVerifier
from services.auth import contract as auth
from services.gateway.engine.handshake import AnyRequest, Handshake
from services.gateway.requests import Edge, bearer_token

Req = TypeVar("Req")
Res = TypeVar("Res")

COOKIE: Final = "pulso_session"
SECURE_COOKIE: Final = "__Host-pulso_session"
REMEMBER_S: Final = 15.0
MAX_REMEMBERED: Final = 20_000
TRUST_AGAIN_S: Final = 0.25
CLOCK_MARGIN_S: Final = 3600.0
"""An ended session is remembered this much longer than its last token lives: clocks differ, and are set back."""
UNKNOWN_KEY_PAUSE_S: Final = 5.0

log = structlog.get_logger(__name__)


class Sessions:
    def __init__(self, bus: Bus, edge: Edge, *, gateway: str, token_seconds: int) -> None:
        self._bus = bus
        self._edge = edge
        self._gateway = gateway
        self._token_seconds = token_seconds
        self._verifier: TokenVerifier | None = None
        self._keys: list[auth.Jwk] = []
        self._ended: dict[str, float] = {}
        self._known: OrderedDict[bytes, tuple[auth.Identity, float]] = OrderedDict()
        self._stale = asyncio.Event()
        self._stale.set()
        self._asked_for_keys_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether auth's keys are known, so that tokens can be checked."""
        return self._verifier is not None

    def public_keys(self) -> list[auth.Jwk]:
        """Raises `ServiceError("unavailable")` while they are not known."""
        if not self._keys:
            raise ServiceError("unavailable", "The keys are not known yet. Try again in a moment.")
        return self._keys

    def refresh(self) -> None:
        """Keys and ended sessions may be others now; they are read again soon."""
        self._stale.set()

    async def run(self, on_ended: Callable[[frozenset[str], str], None]) -> None:
        """Keep what is trusted up to date; `on_ended` hears of sessions whose end was missed."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                trust = await self.ask_auth(auth.TRUST, Nothing(), ANONYMOUS)
            except ServiceError:
                self._stale.set()
                await asyncio.sleep(TRUST_AGAIN_S)
                continue
            self._keys = trust.keys
            self._verifier = TokenVerifier(trust.keys)
            self._known.clear()
            self.end(frozenset(session.session for session in trust.ended))
            on_ended(frozenset(self._ended), "logout")

    def end(self, sessions: frozenset[str]) -> None:
        """Believe nobody any more who comes with one of these sessions."""
        now = time.monotonic()
        self._ended = {session: until for session, until in self._ended.items() if until > now}
        self._ended.update(dict.fromkeys(sessions, now + self._token_seconds + CLOCK_MARGIN_S))
        gone = [key for key, (identity, _) in self._known.items() if identity.session in sessions]
        for key in gone:
            del self._known[key]

    def forget(self, user: str) -> None:
        """What is remembered of this user's sessions is not so any more."""
        gone = [key for key, (identity, _) in self._known.items() if identity.user.id == user]
        for key in gone:
            del self._known[key]

    def has_ended(self, session: str) -> bool:
        return session in self._ended

    async def ask_auth(self, endpoint: Endpoint[Req, Res], request: Req, caller: Caller) -> Res:
        """Call auth, which has one shard. Raises `ServiceError`."""
        return await self._bus.call(self._bus.channels.service("auth", 0), endpoint, request, caller)

    def anonymous(self, request: web.Request) -> Caller:
        return Caller("", "", "anonymous", gateway=self._gateway, address=self._edge.address(request))

    async def of_request(self, request: web.Request) -> Caller:
        """Who sends an HTTP request; anonymous without token and cookie. Raises `ServiceError`."""
        token = bearer_token(request)
        if token is not None:
            return self._of_token(token, request)
        credential = self.credential(request)
        if credential is None:
            return self.anonymous(request)
        try:
            identity = await self._resolve(credential, request)
        except ServiceError as error:
            if error.code == "unauthorized":
                return self.anonymous(request)
            raise
        return identity.caller(gateway=self._gateway, address=self._edge.address(request))

    async def of_handshake(self, request: Handshake, token: str | None, connection: str) -> Caller:
        """Who opens a socket: a cookie needs a page of ours behind it. Raises `ServiceError`.

        A program without an Origin comes with a token, and with no cookie that it might have been lent.
        """
        credential = self.credential(request)
        own = self._edge.is_own_origin(request)
        if not own and ("Origin" in request.headers or token is None or credential is not None):
            raise unauthorized()
        if token is not None:
            caller = self._of_token(token, request)
            return msgspec.structs.replace(caller, connection=connection)
        if credential is None:
            raise unauthorized()
        identity = await self._resolve(credential, request)
        return identity.caller(connection=connection, gateway=self._gateway, address=self._edge.address(request))

    def credential(self, request: AnyRequest) -> str | None:
        """What the cookie holds; over TLS only the cookie that TLS protects counts."""
        return request.cookies.get(cookie_name(secure=self._edge.is_secure(request))) or None

    def set_cookie(self, request: web.Request, response: web.StreamResponse, signed_in: auth.SignedIn) -> None:
        secure = self._edge.is_secure(request)
        response.set_cookie(
            cookie_name(secure=secure),
            signed_in.credential,
            max_age=signed_in.max_age_s,
            path="/",
            secure=secure,
            httponly=True,
            samesite="Lax",
        )

    def clear_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        secure = self._edge.is_secure(request)
        name = cookie_name(secure=secure)
        response.del_cookie(name, path="/", secure=secure, httponly=True, samesite="Lax")

    def _of_token(self, token: str, request: AnyRequest) -> Caller:
        if self._verifier is None:
            raise ServiceError("unavailable", "Sign-ins cannot be checked right now. Try again in a moment.")
        try:
            claims = self._verifier.verify(token, time.time())
        except InvalidToken as invalid:
            self._perhaps_a_new_key(invalid)
            raise unauthorized() from None
        if claims.sid in self._ended:
            raise unauthorized()
        return Caller(
            claims.sub, claims.name, claims.kind, claims.sid,
            gateway=self._gateway, address=self._edge.address(request),
        )  # fmt: skip

    def _perhaps_a_new_key(self, invalid: InvalidToken) -> None:
        now = time.monotonic()
        if invalid.unknown_key and now - self._asked_for_keys_at > UNKNOWN_KEY_PAUSE_S:
            self._asked_for_keys_at = now
            self.refresh()

    async def _resolve(self, credential: str, request: AnyRequest) -> auth.Identity:
        key = hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest()
        now = time.monotonic()
        found = self._known.get(key)
        if found is not None and found[1] > now:
            return found[0]
        identity = await self.ask_auth(auth.RESOLVE, _resolve_request(credential, request), ANONYMOUS)
        if identity.session in self._ended:
            raise unauthorized()
        self._known[key] = (identity, now + REMEMBER_S)
        self._known.move_to_end(key)
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return identity


def _resolve_request(credential: str, request: AnyRequest) -> auth.Resolve:
    agent = request.headers.get("User-Agent", "")[:400]
    if len(credential) > 4096 or not (credential + agent).isprintable():
        raise unauthorized()
    return auth.Resolve(credential, agent)


def cookie_name(*, secure: bool) -> str:
    return SECURE_COOKIE if secure else COOKIE


def unauthorized() -> ServiceError:
    """Made anew each time: an exception that is raised again keeps the frames of every time before alive."""
    return ServiceError("unauthorized", "Sign in first.")
