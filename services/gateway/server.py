"""The HTTP server under the routes: deadlines for clients that dawdle, and our own words for broken requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
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
"""A connection is closed where the headers of a request, once they have begun to come, are not complete by then.

Those of the first one begin with the connection.
"""
KEEP_ALIVE_S: Final = 75.0
"""Then an idle connection is closed. nginx keeps one for 30 s and must be the one that ends it."""
FINISH_WITHIN_S: Final = 20.0
"""What is being changed when the server stops, as by an upload, is given this long to be done."""
READ_WITHIN_S: Final = 1.0
"""As long as what only reads: one that waits for news is broken off, and nginx asks another gateway."""
_LOOK_EVERY_S: Final = 0.05
_READING: Final = frozenset({"GET", "HEAD"})

log = structlog.get_logger(__name__)


class _Connection(web.RequestHandler):
    """One HTTP connection. aiohttp bounds the time between two requests, not that of a request's headers."""

    __slots__ = ("_by", "_deadline", "_heads")

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
        self._deadline: asyncio.TimerHandle | None = self._loop.call_at(self._by, self.force_close)
        self._heads = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._request_count != self._heads:
            self._heads = self._request_count
            self._disarm()
        elif self._deadline is None and self._waiter is not None:
            # No request is in hand, whose body this could be, and none has come of it: a head has begun.
            self._deadline = self._loop.call_later(HEADERS_WITHIN_S, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()  # else what is gone would stay in memory until then
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

    @property
    def is_changing(self) -> bool:
        """Whether a request is under way that nobody may repeat for the client."""
        request = self._current_request
        return request is not None and request.method not in _READING

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[Callable[[], None]]:
    """Take connections meanwhile; at the end, finish what is under way. Raises `CannotListen`.

    Yields what stops the taking already: connections are refused then, so that a proxy tries elsewhere, and each
    that is open ends with its next answer. Ended while it is idle, a proxy could just have sent a request on it.
    """
    is_refusing = asyncio.Event()

    async def last_of_its_connection(_request: web.Request, response: web.StreamResponse) -> None:
        if is_refusing.is_set():
            response.force_close()
            response.headers["Connection"] = "close"  # the head has been made by now

    app.on_response_prepare.append(last_of_its_connection)
    # Sockets are closed by `Sockets.close_gradually`, and their polls answered with that.
    runner = web.AppRunner(app, shutdown_timeout=READ_WITHIN_S)
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

        def refuse() -> None:
            server.close()
            is_refusing.set()

        try:
            log.info("listening", host=host, port=port)
            yield refuse
        finally:
            refuse()
            door.close()
            await _changes_done(manager)
    finally:
        await runner.cleanup()


async def _changes_done(manager: web.Server) -> None:
    """Returns once they are, or after `FINISH_WITHIN_S`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FINISH_WITHIN_S):
            while any(isinstance(c, _Connection) and c.is_changing for c in manager.connections):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY_S)  # aiohttp tells nobody when a request is done
