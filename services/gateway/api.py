"""HTTP: `/api/<service>/<verb>` is the endpoint `<service>:<verb>` of whatever service announced it.

POST takes the request as a JSON body; GET, where the endpoint only reads, as query values, which are converted by
the endpoint's JSON Schema. 200 with the result, or the error body with its status. An endpoint for uploads takes a
multipart body (see uploads.py) and answers 201.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from pulso.contract import Caller
from pulso.errors import HTTP_STATUS, ServiceError
from pulso.manifest import EndpointManifest, properties_of
from services.gateway.contract import KeySet
from services.gateway.heard import CALLER, IS_PRIVATE, PAYLOAD
from services.gateway.relay import Relay
from services.gateway.requests import bearer_token, json_body
from services.gateway.sessions import Sessions, unauthorized
from services.gateway.uploads import Uploads

JWKS: Final = "/.well-known/jwks.json"

SOON_S: Final = 1
"""When to come back where a service has too much of one caller, and cannot say how long that will last."""

# As in RFC 8259; leading zeros pass. Python would also take digits of other scripts, underscores, nan, inf.
_INTEGER: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

REQUEST_ID: Final = web.RequestKey("request_id", str)


class Api:
    def __init__(self, relay: Relay, sessions: Sessions, uploads: Uploads) -> None:
        self._relay = relay
        self._sessions = sessions
        self._uploads = uploads

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/api/{service}/{verb}", self._get)
        app.router.add_post("/api/{service}/{verb}", self._post)
        app.router.add_get(JWKS, self._jwks)

    async def _post(self, request: web.Request) -> web.Response:
        caller = await self._caller(request)
        request[CALLER] = caller
        takes_files = self._relay.upload_endpoint(_name(request))
        if takes_files is not None:
            result = await self._uploads.receive(request, caller, takes_files, request[REQUEST_ID])
            return json_response(result, 201)
        return await self._answer(request, caller, await json_body(request))

    async def _get(self, request: web.Request) -> web.Response:
        name = _name(request)
        route = self._relay.manifests.routes.get(name)
        if route is None or not route.endpoint.reads:
            raise ServiceError("not_found", f"There is no GET /api/{name.replace(':', '/')}.")
        caller = await self._caller(request)
        request[CALLER] = caller
        return await self._answer(request, caller, query_payload(request, route.endpoint))

    async def _jwks(self, _request: web.Request) -> web.Response:
        keys = self._sessions.public_keys()
        response = json_response(msgspec.json.encode(KeySet(keys)))
        response.headers["Cache-Control"] = "public, max-age=60"
        return response

    async def _caller(self, request: web.Request) -> Caller:
        route = self._relay.manifests.routes.get(_name(request))
        if route is not None and route.endpoint.bearer and bearer_token(request) is None:
            raise unauthorized()  # as for a token that is not believed, whatever cookie there may be
        return await self._sessions.of_request(request)

    async def _answer(self, request: web.Request, caller: Caller, payload: bytes) -> web.Response:
        route = self._relay.manifests.routes.get(_name(request))
        request[PAYLOAD] = payload
        request[IS_PRIVATE] = route is not None and route.endpoint.private
        result = await self._relay.http(_name(request), payload, caller, request_id=request[REQUEST_ID])
        return json_response(result)


def query_payload(request: web.Request, endpoint: EndpointManifest) -> bytes:
    """Query values as the JSON object that the endpoint takes. Raises `ServiceError("bad_request")`."""
    properties = properties_of(endpoint.request)
    values: dict[str, Any] = {}
    for key, text in request.query.items():
        if key in values:
            raise ServiceError("bad_request", f"{key} is given twice.")
        values[key] = _converted(text, properties.get(key, {}))
    try:
        return msgspec.json.encode(values)
    except UnicodeEncodeError:
        raise ServiceError("bad_request", "The query is not valid UTF-8.") from None


def path_of(endpoint: str) -> str:
    """`/api/numbers/set` for `numbers:set`."""
    return f"/api/{endpoint.replace(':', '/', 1)}"


def json_response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def error_response(error: ServiceError) -> web.Response:
    response = json_response(error.encode(), HTTP_STATUS[error.code])
    if error.code == "rate_limited":
        response.headers["Retry-After"] = str(error.retry_after_s or SOON_S)
    if error.code == "unauthorized":
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 wants a 401 to say what would do
    return response


def _name(request: web.Request) -> str:
    return f"{request.match_info['service']}:{request.match_info['verb']}"


def _converted(text: str, schema: dict[str, Any]) -> Any:
    """Numbers as JSON writes them. What cannot be converted stays text, which the service refuses in its words."""
    kinds = {schema.get("type")} | {option.get("type") for option in schema.get("anyOf", ())}
    if "integer" in kinds and _INTEGER.fullmatch(text) and len(text) <= 20:
        return int(text)
    if "number" in kinds and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    return text
