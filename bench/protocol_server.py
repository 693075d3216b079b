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

from pulso import log
from pulso.process import collect_garbage_rarely
from pulso.tasks import Tasks
from services.gateway.engine.server import EngineServer
from services.gateway.engine.strict import StrictServer
from services.gateway.server import listening

NAMESPACES: Final = ["/", "/custom"]
CONNECT_WITHIN_S: Final = 1.0
GREET_AFTER_S: Final = 0.02
"""Suites listen anew for each packet. From the engine it would come in the same write as the answer to CONNECT,
before they listen again: the official suite of Socket.IO would wait for it in vain. Clients that need no such help
are for `--greet-after 0`."""
ENGINE: Final[dict[str, Any]] = {
    "ping_interval": 0.3,
    "ping_timeout": 0.2,
    "max_http_buffer_size": 1_000_000,
    "cors_allowed_origins": "*",
}


def application(tasks: Tasks, greet_after_s: float = GREET_AFTER_S, **engine: Any) -> web.Application:
    """`engine` is what is to be other than `ENGINE`."""
    app = web.Application()
    engine = {**ENGINE, **engine}
    echoing(EngineServer(tasks=tasks, **engine)).attach(app, "/engine.io/")
    server = Greeting(tasks, greet_after_s, engine)
    answering(server).attach(app)
    return app


class Greeting(StrictServer):
    """Tells each client what it connected with."""

    def __init__(self, tasks: Tasks, after_s: float, engine: dict[str, Any]) -> None:
        super().__init__(tasks, namespaces=NAMESPACES, connect_within_s=CONNECT_WITHIN_S, **engine)
        self._after_s = after_s

    def let_in(self, eio_sid: str, sid: str, namespace: str, auth: Any) -> None:
        super().let_in(eio_sid, sid, namespace, auth)
        greet = partial(self.tell, sid, "auth", {} if auth is None else auth, namespace=namespace)
        if self._after_s:
            asyncio.get_running_loop().call_later(self._after_s, greet)
        else:
            greet()


def echoing(engine: EngineServer) -> EngineServer:
    def echo(sid: str, data: str | bytes) -> None:
        engine.send(sid, data)

    engine.on("message", echo)
    return engine


def answering(server: StrictServer) -> StrictServer:
    for namespace in NAMESPACES:

        async def answer(namespace: str, sid: str, *arguments: Any) -> None:
            await server.emit("message-back", arguments, to=sid, namespace=namespace)

        async def acknowledge(_sid: str, *arguments: Any) -> tuple[Any, ...]:
            return arguments

        server.on("message", partial(answer, namespace), namespace)
        server.on("message-with-ack", acknowledge, namespace)
    return server


async def serve(host: str, port: int, greet_after_s: float) -> None:
    async with Tasks() as tasks, listening(application(tasks, greet_after_s), host, port):
        print(f"ready http://{host}:{port}", flush=True)  # a program's only output
        await asyncio.Event().wait()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=3000)
    options.add_argument("--greet-after", type=float, default=GREET_AFTER_S, metavar="SECONDS")
    chosen = options.parse_args()
    log.configure(level="warning", form="pretty")
    collect_garbage_rarely()
    uvloop.run(serve(chosen.host, chosen.port, chosen.greet_after))


if __name__ == "__main__":
    main()
