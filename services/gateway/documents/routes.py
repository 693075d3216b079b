"""`/api/openapi.json` and `/api/asyncapi.json`: made when they are asked for, kept until a manifest changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import hdrs, web

from pulso.manifests import Manifests
from services.gateway.documents.asyncapi import asyncapi
from services.gateway.documents.openapi import ASYNCAPI, OPENAPI, openapi
from services.gateway.requests import Edge

MAX_KEPT: Final = 16
"""Host names under which the documents are kept at once: whoever makes some up makes work, but fills no memory."""


class Document(NamedTuple):
    body: bytes
    tag: str


class Documents:
    def __init__(self, manifests: Manifests, edge: Edge) -> None:
        self._manifests = manifests
        self._edge = edge
        self._made_of: object = None
        self._kept: dict[tuple[str, str, bool], Document] = {}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(OPENAPI, self._openapi)
        app.router.add_get(ASYNCAPI, self._asyncapi)

    async def _openapi(self, request: web.Request) -> web.Response:
        services, secure = self._manifests.services.values(), self._edge.is_secure(request)
        return self._answer(request, (OPENAPI, "", secure), lambda: openapi(services, secure=secure))

    async def _asyncapi(self, request: web.Request) -> web.Response:
        services, secure, host = self._manifests.services.values(), self._edge.is_secure(request), request.host
        return self._answer(
            request, (ASYNCAPI, host, secure), lambda: asyncapi(services, host=host, secure=secure)
        )

    def _answer(self, request: web.Request, key: tuple[str, str, bool], make: Callable[[], Any]) -> web.Response:
        document = self._document(key, make)
        headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: document.tag}
        if request.headers.get(hdrs.IF_NONE_MATCH) == document.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=document.body, content_type="application/json", headers=headers)

    def _document(self, key: tuple[str, str, bool], make: Callable[[], Any]) -> Document:
        if self._made_of is not self._manifests.services or len(self._kept) >= MAX_KEPT:
            self._made_of = self._manifests.services
            self._kept = {}
        if key not in self._kept:
            body = msgspec.json.encode(make())
            self._kept[key] = Document(body, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        return self._kept[key]
