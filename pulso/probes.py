"""Health of a process, told on its ops port: /healthz (alive), /readyz (fit for work), /metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pulso import loop_lag
from pulso.hardening import HEADERS, NO_CONTENT_POLICY, NOT_KEPT, SERVER
from pulso.process import taking_port

OK: Final = "ok"
STANDBY: Final = "standby"


class Health:
    """What a process depends on. A check answers `ok`, `standby`, or what is wrong."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], str]] = {}

    def watch(self, name: str, check: Callable[[], str]) -> None:
        self._checks[name] = check

    def report(self) -> dict[str, str]:
        return {name: check() for name, check in self._checks.items()}

    def status(self, only: Iterable[str] | None = None) -> str:
        """`ready`, `standby` (fit, while another instance serves) or `unready`; by all answers, or these alone."""
        answers = set(self.report().values() if only is None else only)
        if answers <= {OK}:
            return "ready" if answers else "unready"
        return "standby" if answers <= {OK, STANDBY} else "unready"


@contextlib.asynccontextmanager
async def ops_server(health: Health, *, host: str, port: int) -> AsyncIterator[None]:
    """Answer on the ops port meanwhile. Raises `CannotListen`."""

    async def healthz(_request: web.Request) -> web.Response:
        return _json({"status": "alive"}, 200)

    async def readyz(_request: web.Request) -> web.Response:
        status = health.status()
        body = {"status": status, "checks": health.report()}
        return _json(body, 200 if status == "ready" else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.on_response_prepare.append(_harden)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    watching = asyncio.create_task(loop_lag.watch(), name="loop-lag")
    try:
        with taking_port(host, port):
            await web.TCPSite(runner, host, port).start()
        yield
    finally:
        watching.cancel()
        await runner.cleanup()


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    """The 404s of aiohttp, too."""
    response.headers.update({**HEADERS, **SERVER, **NOT_KEPT, "Content-Security-Policy": NO_CONTENT_POLICY})


def _json(body: object, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
