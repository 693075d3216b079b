"""The engine bare, for anyone's protocol test-suite: `python -m bench.protocol_server --port 3000`.

Intervals are short, so that a suite need not wait. `/engine.io/` echoes every message. On `/socket.io/` the
namespaces `/` and `/custom` emit `auth` with what the client connected with, `message` comes back as
`message-back`, and `message-with-ack` is acknowledged with its arguments.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from typing import Any, Final

import uvloop
from aiohttp import web

from pulso.process import collect_garbage_rarely
from pulso.tasks import Tasks
from services.gateway.engine import packets
from services.gateway.engine.server import EngineServer
from services.gateway.engine.strict import StrictServer

NAMESPACES: Final = ["/", "/custom"]
CONNECT_WITHIN_S: Final = 1.0
GREET_AFTER_S: Final = 0.02
"""Suites listen anew for each packet. From the engine it would come in the same write as the answer to CONNECT,
before they listen again: the official suite of Socket.IO would wait for it in vain."""
ENGINE: Final[dict[str, Any]] = {
    "ping_interval": 0.3,
    "ping_timeout": 0.2,
    "max_http_buffer_size": 1_000_000,
    "cors_allowed_origins": "*",
}


def application(tasks: Tasks) -> web.Application:
    app = web.Application()
    echoing(EngineServer(tasks=tasks, **ENGINE)).attach(app, "/engine.io/")
    # `always_connect`: what is emitted on connect must come after the CONNECT packet.
    server = StrictServer(
        tasks, namespaces=NAMESPACES, connect_within_s=CONNECT_WITHIN_S, always_connect=True, **ENGINE
    )
    answering(server).attach(app)
    return app


def echoing(engine: EngineServer) -> EngineServer:
    def echo(sid: str, data: str | bytes) -> None:
        session = engine.sessions.get(sid)
        if session is not None:
            session.send(packets.message_frame(data))

    engine.on("message", echo)
    return engine


def answering(server: StrictServer) -> StrictServer:
    for namespace in NAMESPACES:

        async def greet(namespace: str, sid: str, _environ: dict[str, Any], auth: Any) -> None:
            await asyncio.sleep(GREET_AFTER_S)
            await server.emit("auth", {} if auth is None else auth, to=sid, namespace=namespace)

        async def answer(namespace: str, sid: str, *arguments: Any) -> None:
            await server.emit("message-back", arguments, to=sid, namespace=namespace)

        async def acknowledge(_sid: str, *arguments: Any) -> tuple[Any, ...]:
            return arguments

        server.on("connect", partial(greet, namespace), namespace)
        server.on("message", partial(answer, namespace), namespace)
        server.on("message-with-ack", acknowledge, namespace)
    return server


async def serve(host: str, port: int) -> None:
    async with Tasks() as tasks:
        # TCP's own keepalive costs three system calls a connection, and Engine.IO has its heartbeat.
        runner = web.AppRunner(application(tasks), access_log=None, shutdown_timeout=1.0, tcp_keepalive=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=2048).start()
            print(f"ready http://{host}:{port}", flush=True)  # a program's only output
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=3000)
    chosen = options.parse_args()
    collect_garbage_rarely()
    uvloop.run(serve(chosen.host, chosen.port))


if __name__ == "__main__":
    main()
