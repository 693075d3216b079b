"""Which pages of other origins may use the server, and the headers that tell their browsers so."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.gateway.engine.handshake import AnyRequest

_METHODS: Final = "GET, POST, OPTIONS"


class Cors:
    """`*` lets every origin pass, a list those in it; an empty list leaves origins to somebody else."""

    def __init__(self, allowed: str | list[str]) -> None:
        self._allowed = frozenset([allowed] if isinstance(allowed, str) else allowed)

    @property
    def is_on(self) -> bool:
        return bool(self._allowed)

    def allows(self, request: AnyRequest) -> bool:
        origin = request.headers.get("Origin")
        return origin is None or not self._allowed or "*" in self._allowed or origin in self._allowed

    def forbidden(self) -> web.Response:
        return web.json_response({"code": 4, "message": "Forbidden"}, status=403)

    def preflight(self, request: web.Request) -> web.Response:
        response = web.Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        wanted = request.headers.get("Access-Control-Request-Headers")
        if wanted is not None:
            response.headers["Access-Control-Allow-Headers"] = wanted
        self.add_headers(request, response)
        return response

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """A single origin may send its cookies along; `*` never gets them, as browsers have it."""
        origin = request.headers.get("Origin")
        if origin is None or not self._allowed:
            return
        if "*" in self._allowed:
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Vary"] = "Origin"
