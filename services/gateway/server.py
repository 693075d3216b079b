"""The HTTP server under the routes: deadlines for clients that dawdle, and our own words for broken requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web

from pulso.errors import ServiceError
from pulso.hardening import HEADERS, NO_CONTENT_POLICY, NOT_KEPT, SERVER
from pulso.process import taking_port
from services.gateway.api import error_response
from services.gateway.engine.door import ENTRIES, Door
from services.gateway.responses import as_error

HEADERS_WITHIN_S: Final = 10.0
"""A connection whose first request has not begun by then, its headers complete, is closed."""
KEEP_ALIVE_S: Final = 75.0
"""Then an idle connection is closed. nginx keeps one for 30 s and must be the one that ends it."""

log = structlog.get_logger(__name__)


class _Connection(web.RequestHandler):
    """One HTTP connection. aiohttp bounds the time between two requests, not that of the first one's headers."""

    __slots__ = ("_by", "_deadline")

    def __init__(self, manager: web.Server, *, by: float, loop: asyncio.AbstractEventLoop) -> None:
        # TCP's own keepalive costs three system calls a connection, and Engine.IO has its heartbeat.
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_S,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own runner passes None, too
            auto_decompress=False,
        )
        self._by = by

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline = self._loop.call_at(self._by, self._close_unless_asked)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._deadline.cancel()  # else what is gone would stay in memory until then
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP comes here, and so does what was raised outside the routes' own guard."""
        if request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)  # too late for an answer
        if status < 500:
            # Anybody can send nonsense at will: no trace, and nothing of it is sent back.
            log.debug("broken request", fault=str(exc)[:200])
            error = ServiceError("bad_request", "This is not a valid HTTP request.")
        else:
            log.error("request failed", exc_info=exc)
            error = ServiceError("internal", "Something went wrong on our side. It has been logged.")
        response = error_response(error)
        response.headers.update({**HEADERS, **SERVER, **NOT_KEPT, "Content-Security-Policy": NO_CONTENT_POLICY})
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # raised before the guard: an Expect that nobody knows
            resp = as_error(resp)
        return await super().finish_response(request, resp, start_time)

    def _close_unless_asked(self) -> None:
        if not self._request_count:
            self.force_close()


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Take connections meanwhile. Raises `CannotListen` where the port is taken."""
    # Open sockets are closed by `Sockets.close_gradually`; what is left then must not hold up the end.
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    manager = runner.server
    assert manager is not None, "set up"
    loop = asyncio.get_running_loop()
    entries = app[ENTRIES]
    door = Door(
        entries,
        lambda by: _Connection(manager, by=by, loop=loop),
        headers_within_s=HEADERS_WITHIN_S,
    )
    try:
        with taking_port(host, port):
            server = await loop.create_server(door, host, port, backlog=2048)
        try:
            log.info("listening", host=host, port=port)
            yield
        finally:
            server.close()
            door.close()
    finally:
        await runner.cleanup()
