"""What python-socketio asks of an Engine.IO server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from pulso.tasks import Tasks
from services.gateway.engine import packets
from services.gateway.engine.cors import Cors
from services.gateway.engine.door import ENTRIES
from services.gateway.engine.endings import NORMAL, SERVER_DISCONNECT
from services.gateway.engine.entry import Entry
from services.gateway.engine.handshake import MoreHeaders
from services.gateway.engine.ids import new_id
from services.gateway.engine.session import Shared, Work


class EngineServer:
    """Engine.IO v4. Handlers may answer None, which is cheapest, or an awaitable (`Session`).

    The options have python-engineio's names, through which python-socketio passes them on. Its per-client
    `session` dictionaries are not offered.
    """

    async_mode: Final = "aiohttp"

    def __init__(
        self,
        *,
        tasks: Tasks,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        max_http_buffer_size: int = 1_000_000,
        packets_per_second: float = 0.0,
        cors_allowed_origins: str | list[str] | None = None,
        more_headers: MoreHeaders = lambda _handshake: b"",
        **_of_other_servers: object,
    ) -> None:
        self._tasks = tasks
        self._on_connect: Callable[..., Work] = _ignored
        self._shared = Shared(ping_interval, ping_timeout, tasks, packets_per_second=packets_per_second)
        cors = Cors(cors_allowed_origins or [])
        self._entry = Entry(self._shared, self._connected, cors, max_http_buffer_size, more_headers)
        self.sessions: Final = self._shared.sessions

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """`connect(sid, environ)`, `message(sid, data)`, `disconnect(sid, reason)`."""
        if event == "connect":
            self._on_connect = handler
        elif event == "message":
            self._shared.on_message = handler
        elif event == "disconnect":
            self._shared.on_disconnect = handler

    def unread_bytes(self) -> int:
        """How much waits for clients to read it, of all sessions together."""
        return sum(session.transport.unread_bytes() for session in self.sessions.values())

    def attach(self, app: web.Application, path: str) -> None:
        path = f"/{path.strip('/')}/"
        app.router.add_route("*", path, self.handle_request)
        app.setdefault(ENTRIES, {})[path] = self._entry

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        return await self._entry.handle(request)

    def send(self, sid: str, data: str | bytes) -> None:
        """Queue a message; who is gone misses it."""
        session = self.sessions.get(sid)
        if session is not None:
            session.send(packets.message_frame(data))

    def close(self, sid: str, code: int = NORMAL, reason: str = SERVER_DISCONNECT) -> None:
        session = self.sessions.get(sid)
        if session is not None:
            session.close(code, reason)

    def transport(self, sid: str) -> str:
        return self.sessions[sid].transport.name

    def generate_id(self) -> str:
        return new_id()

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        return self._tasks.spawn(target(*args, **kwargs), "background")

    def create_event(self) -> asyncio.Event:
        return asyncio.Event()

    async def sleep(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)

    async def shutdown(self) -> None:
        for session in list(self.sessions.values()):
            session.close()
        self._shared.heart.stop()

    def _connected(self, sid: str, environ: dict[str, Any]) -> Work:
        return self._on_connect(sid, environ)


def _ignored(_sid: str, _environ: dict[str, Any]) -> Work:
    return None
