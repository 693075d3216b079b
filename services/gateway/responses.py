"""What HTTP responses have in common: request ids, errors as JSON, headers that harden, a newcomer's cookie."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import structlog
from aiohttp import web

from pulso.errors import Code, ServiceError
from pulso.hardening import HEADERS, NO_CONTENT_POLICY, NOT_KEPT, SERVER
from pulso.tracing import ORIGIN, Origin, traceparent
from services.gateway.account import NEW_COOKIE
from services.gateway.api import REQUEST_ID, error_response
from services.gateway.engine.handshake import Handshake
from services.gateway.heard import Heard
from services.gateway.requests import Edge, bearer_token, check_form
from services.gateway.sessions import Sessions

HSTS: Final = "max-age=31536000"

# Over plain HTTP, and over TLS.
_HARDENING: Final = {
    False: {**HEADERS, "Content-Security-Policy": NO_CONTENT_POLICY},
    True: {**HEADERS, "Content-Security-Policy": NO_CONTENT_POLICY, "Strict-Transport-Security": HSTS},
}

# What is passed on to services and logs and sent back; anything else that a client names a request is not.
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z._:/+=-]{1,64}")
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SOCKET_PATH: Final = "/socket.io/"
_API_PATH: Final = "/api/"
_CODES: Final[dict[int, Code]] = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    413: "too_large",
}

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard(edge: Edge, sessions: Sessions, heard: Heard) -> Any:
    """The outermost middleware: nothing leaves the gateway but an answer with a code, and the journal has it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        ORIGIN.set(Origin())  # requests of one connection share a context
        if request.path.startswith(_SOCKET_PATH):
            return await _for_socket(request, handler)
        arrived = heard.now()
        named = request.headers.get("X-Request-Id", "")
        outcome: Code | Literal["ok"] = "ok"
        request[REQUEST_ID] = named if _REQUEST_ID.fullmatch(named) else secrets.token_hex(8)
        ORIGIN.set(Origin(request[REQUEST_ID], traceparent(request.headers.get("traceparent"))))
        began = time.monotonic()
        try:
            check_form(request)
            if request.method in _CHANGING and bearer_token(request) is None:
                edge.check_forgery(request)
            response = await handler(request)
        except ServiceError as error:
            outcome = error.code
            response = error_response(error)
        except web.HTTPException as answer:
            outcome = code_of(answer)
            response = as_error(answer)
        except Exception:  # the boundary where whatever went wrong becomes a code
            outcome = "internal"
            log.exception("request failed", path=request.path, request=request[REQUEST_ID])
            response = error_response(
                ServiceError("internal", "Something went wrong on our side. It has been logged.")
            )
        heard.request(request, outcome, arrived)
        response.headers["X-Request-Id"] = request[REQUEST_ID]
        _note(request, response.status, time.monotonic() - began)
        newcomer = request.get(NEW_COOKIE)
        if newcomer is not None:
            sessions.set_cookie(request, response, newcomer)
        return response

    return middleware


async def _for_socket(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is HTTP is Engine.IO's to answer."""
    try:
        check_form(request)
    except ServiceError as error:
        return error_response(error)
    return await handler(request)


def _note(request: web.Request, status: int, seconds: float) -> None:
    """One line a request to the API: what went well is for who looks closely, what was refused is not."""
    if request.path.startswith(_API_PATH) and status != 500:  # that has its line, with the trace
        say = log.debug if status < 400 else log.warning if status > 500 else log.info
        say("answered", method=request.method, path=request.path, status=status, ms=round(seconds * 1000, 1))


def secure_headers(edge: Edge) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal handler: it reaches aiohttp's own answers, too."""

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Server"] = SERVER["Server"]  # aiohttp has put its version there
        for name, value in _HARDENING[edge.is_secure(request)].items():
            headers.setdefault(name, value)
        if response.status != 304:  # that one speaks of a copy, which has its own
            headers.setdefault("Cache-Control", NOT_KEPT["Cache-Control"])

    return on_prepare


def secure_lines(edge: Edge) -> Callable[[Handshake], bytes]:
    """The same for the answers to WebSocket handshakes, which are not aiohttp's."""
    lines = {
        is_secure: "".join(
            f"{name}: {value}\r\n" for name, value in (SERVER | NOT_KEPT | headers).items()
        ).encode()
        for is_secure, headers in _HARDENING.items()
    }
    return lambda handshake: lines[edge.is_secure(handshake)]


def as_error(answer: web.HTTPException) -> web.StreamResponse:
    """aiohttp's own refusals in our form; redirects and the like stay as they are."""
    if answer.status < 400:
        return answer
    if answer.status == 405:
        return error_response(ServiceError("not_found", "There is nothing to do here with this method."))
    return error_response(ServiceError(code_of(answer), f"{answer.reason}."))


def code_of(answer: web.HTTPException) -> Code:
    """The code of one of aiohttp's own refusals."""
    return _CODES.get(answer.status, "bad_request" if answer.status < 500 else "internal")
