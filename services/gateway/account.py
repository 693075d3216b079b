"""The HTTP routes of signing in and out: the ones that set or clear the cookie.

POST /api/auth/register | login | guest   ->  {"user": {...}, "access_token": "eyJ...", "expires_in": 900}
POST /api/auth/logout | logout-all        ->  {}
"""

from __future__ import annotations

import unicodedata
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from pulso.contract import Caller, Endpoint, Nothing
from pulso.errors import ServiceError
from pulso.lanes import NOTHING
from services.auth import contract as auth
from services.gateway import contract
from services.gateway.api import json_response, path_of
from services.gateway.heard import CALLER, PAYLOAD
from services.gateway.limits import AccountLimits, Turns
from services.gateway.requests import Edge, json_body
from services.gateway.sessions import Sessions

Req = TypeVar("Req")

LOGINS_AT_ONCE: Final = 4
"""Of one account and address; the others wait for their turn."""

NEW_COOKIE: Final = web.RequestKey("new_cookie", auth.SignedIn)


class Account:
    def __init__(self, sessions: Sessions, edge: Edge, limits: AccountLimits, *, guests_allowed: bool) -> None:
        self._sessions = sessions
        self._edge = edge
        self._limits = limits
        self._turns = Turns(LOGINS_AT_ONCE)
        self._guests_allowed = guests_allowed

    def add_routes(self, app: web.Application) -> None:
        for endpoint, handle in (
            (contract.REGISTER, self._register),
            (contract.LOGIN, self._login),
            (contract.GUEST, self._guest),
            (contract.LOGOUT, self._logout),
            (contract.LOGOUT_ALL, self._logout_all),
        ):
            app.router.add_post(path_of(endpoint.name), handle)

    async def visitor(self, request: web.Request) -> auth.User | None:
        """Who looks at a page. A newcomer becomes a guest; None where that cannot be, and where auth is away."""
        try:
            caller = await self._sessions.of_request(request)
            if caller.kind != "anonymous":
                return auth.User(caller.id, caller.name, caller.kind)
            if not self._guests_allowed:
                return None
            signed_in = await self._become_guest(request, auth.GuestRequest())
        except ServiceError:
            return None
        request[NEW_COOKIE] = signed_in
        user = signed_in.user
        return auth.User(user.id, user.name, user.kind)

    async def _register(self, request: web.Request) -> web.Response:
        wanted = await _decoded(request, auth.Registration)
        await self._limits.registrations.count(self._edge.address(request))
        caller = await self._sessions.of_request(request)
        if caller.kind != "guest":  # who has an account already makes another one as a stranger
            caller = self._sessions.anonymous(request)
        return await self._sign_in(request, auth.REGISTER, wanted, caller)

    async def _login(self, request: web.Request) -> web.Response:
        wanted = await _decoded(request, auth.Credentials)
        address = self._edge.address(request)
        # By account and address together: whoever guesses from elsewhere cannot lock the owner out.
        pair = f"{unicodedata.normalize('NFKC', wanted.username.strip()).casefold()}\n{address}"
        async with self._turns.of(pair, within_s=auth.SIGN_IN_TIMEOUT_S):
            await self._limits.logins.check(pair)
            await self._limits.sprays.check(address)
            try:
                return await self._sign_in(request, auth.LOGIN, wanted, self._sessions.anonymous(request))
            except ServiceError as error:
                if error.code == "unauthorized":
                    await self._limits.sprays.count(address)
                    await self._limits.logins.count(pair)
                raise

    async def _guest(self, request: web.Request) -> web.Response:
        wanted = await _decoded(request, auth.GuestRequest)
        signed_in = await self._become_guest(request, wanted)
        return self._signed_in(request, signed_in)

    async def _logout(self, request: web.Request) -> web.Response:
        return await self._sign_out(request, auth.LOGOUT)

    async def _logout_all(self, request: web.Request) -> web.Response:
        return await self._sign_out(request, auth.LOGOUT_ALL)

    async def _become_guest(self, request: web.Request, wanted: auth.GuestRequest) -> auth.SignedIn:
        await self._limits.guests.count(self._edge.address(request))
        return await self._sessions.ask_auth(auth.GUEST, wanted, self._sessions.anonymous(request))

    async def _sign_in(
        self, request: web.Request, endpoint: Endpoint[Req, auth.SignedIn], wanted: Req, caller: Caller
    ) -> web.Response:
        signed_in = await self._sessions.ask_auth(endpoint, wanted, caller)
        return self._signed_in(request, signed_in)

    def _signed_in(self, request: web.Request, signed_in: auth.SignedIn) -> web.Response:
        user = signed_in.user
        request[CALLER] = Caller(user.id, user.name, user.kind)
        body = auth.AccessToken(signed_in.user, signed_in.access_token, signed_in.expires_in)
        response = json_response(msgspec.json.encode(body))
        self._sessions.set_cookie(request, response, signed_in)
        return response

    async def _sign_out(self, request: web.Request, endpoint: Endpoint[Nothing, Nothing]) -> web.Response:
        """The cookie goes even where the session is over already."""
        caller: Caller = await self._sessions.of_request(request)
        request[CALLER] = caller
        if caller.kind != "anonymous":
            await self._sessions.ask_auth(endpoint, Nothing(), caller)
        response = json_response(b"{}")
        self._sessions.clear_cookie(request, response)
        return response


async def _decoded(request: web.Request, kind: type[Req]) -> Req:
    body = await json_body(request)
    request[PAYLOAD] = body
    try:
        return msgspec.json.decode(b"{}" if body in NOTHING else body, type=kind)
    except msgspec.ValidationError as fault:
        raise ServiceError("bad_request", str(fault)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ServiceError("bad_request", "This is not well-formed JSON.") from None
