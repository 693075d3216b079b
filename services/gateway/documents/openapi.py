"""OpenAPI 3.1 of the HTTP API, from the manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pulso.contract import Access, Surface
from pulso.errors import CODES, HTTP_STATUS, Code, ErrorBody
from pulso.manifest import EndpointManifest, Manifest
from services.gateway.api import JWKS, path_of
from services.gateway.contract import KeySet
from services.gateway.documents import words
from services.gateway.documents.schemas import Schemas, resolved
from services.gateway.sessions import cookie_name

Object = dict[str, Any]

OPENAPI: Final = "/api/openapi.json"
ASYNCAPI: Final = "/api/asyncapi.json"
STATIC: Final = "/static/{name}"

_BY_HTTP: Final = (Surface.OPEN, Surface.HTTP, Surface.UPLOAD)
_JSON: Final = "application/json"
_REQUEST_ID: Final = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

DESCRIPTION: Final = """\
Every endpoint of every service, as `POST /api/<service>/<verb>`; those that only read answer `GET` as well. The
same endpoints are Socket.IO events, and what the server tells unasked comes over the socket alone: that half is
described in `/api/asyncapi.json`.

- **Who asks** is known from the session cookie, or from an access token (`Authorization: Bearer ...`), which
  `POST /api/auth/login` and `POST /api/auth/guest` hand out and `POST /api/auth/token` renews.
- **A failure** is `{"error": {"code", "message"}}`: the code is one of a closed list, each with its status, and
  the message says what happened and what to do next. A 429 says in `Retry-After` how many seconds to wait.
- **Times** are ISO-8601 in UTC with milliseconds and `Z`, ids are strings, money is whole cents.
- **A change is acknowledged after it was committed**, and is safe to be sent again.
- `X-Request-Id` of a request is taken over into logs and sent back; one is made where it has none.
"""


def openapi(services: Iterable[Manifest], *, secure: bool) -> Object:
    """`secure` says whether the document is asked for over TLS: the cookie has another name there."""
    schemas = Schemas()
    schemas.add("", msgspec.json.schema(ErrorBody))
    paths = _own_paths(schemas) | {STATIC: _UPLOADED}
    tags = []
    for manifest in words.with_own(services):
        offered = [endpoint for endpoint in manifest.endpoints if endpoint.surface in _BY_HTTP]
        for endpoint in offered:
            paths[path_of(endpoint.name)] = _path(manifest.service, endpoint, schemas)
        if offered:
            tags.append({"name": manifest.service})
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Pulso HTTP API",
            "version": words.VERSION,
            "description": DESCRIPTION,
            "license": words.LICENSE,
        },
        "servers": [{"url": "/"}],
        "tags": [*tags, {"name": "public", "description": "Keys, and these documents."}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.definitions.items())),
            "responses": {code: _failure(code) for code in CODES},
            "headers": _HEADERS,
            "securitySchemes": _security_schemes(secure=secure),
        },
    }


_UPLOADED: Final[Object] = {
    "get": {
        "tags": ["public"],
        "operationId": "uploaded-file",
        "summary": "An uploaded file, by the name that its upload was answered with.",
        "description": "Whoever knows the name may fetch it. Images, sound, video and PDF are shown.",
        "security": [{}],
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[a-z0-9]+)?$"},
            }
        ],
        "responses": {
            "200": {
                "description": "The bytes as they were sent.",
                "headers": _REQUEST_ID,
                "content": {"*/*": {}},
            },
            "404": {"$ref": "#/components/responses/not_found"},
        },
    }
}


def _own_paths(schemas: Schemas) -> dict[str, Object]:
    """What the gateway answers without any service."""
    document = {"type": "object"}
    offered = (
        (JWKS, "public-keys", "The public keys that access tokens are signed with.",
         schemas.add("auth", msgspec.json.schema(KeySet))),
        (OPENAPI, "openapi", "This document.", document),
        (ASYNCAPI, "asyncapi", "What is said over sockets, as AsyncAPI 3.", document),
    )  # fmt: skip
    unavailable = {"503": {"$ref": "#/components/responses/unavailable"}}
    return {
        path: {
            "get": {
                "tags": ["public"],
                "operationId": name,
                "summary": summary,
                "security": [{}],
                "responses": {
                    "200": {"description": "Done.", "headers": _REQUEST_ID, "content": {_JSON: {"schema": schema}}}
                }
                | (unavailable if path == JWKS else {}),
            }
        }
        for path, name, summary, schema in offered
    }


def _path(service: str, endpoint: EndpointManifest, schemas: Schemas) -> Object:
    said = {
        "tags": [service],
        "summary": endpoint.summary,
        "description": _description(endpoint),
        "security": _security(endpoint),
    }
    answered = _answers(schemas.add(service, endpoint.result), endpoint)
    if endpoint.surface is Surface.UPLOAD:
        return {
            "post": said | {"operationId": _operation_id(endpoint), "requestBody": _FILES, "responses": answered}
        }
    request = schemas.add(service, endpoint.request)
    post = said | {
        "operationId": _operation_id(endpoint, "post" if endpoint.reads else ""),
        "requestBody": _body(request, endpoint, schemas),
        "responses": answered,
    }
    if not endpoint.reads:
        return {"post": post}
    responses = {status: answer for status, answer in answered.items() if status != str(HTTP_STATUS["too_large"])}
    get = said | {
        "operationId": _operation_id(endpoint),
        "parameters": _parameters(request, endpoint, schemas),
        "responses": responses,
    }
    return {"get": get, "post": post}


def _operation_id(endpoint: EndpointManifest, *more: str) -> str:
    return "-".join(filter(None, [endpoint.name.replace(":", "-"), *more]))


def _description(endpoint: EndpointManifest) -> str:
    sentences = [words.may_ask(endpoint.access)]
    if endpoint.bearer:
        sentences.append("It is for programs: an access token opens it, a cookie does not.")
    if endpoint.surface is Surface.OPEN:
        sentences.append(f"Over a socket it is the event `{endpoint.name}`.")
    return " ".join(sentences)


def _security(endpoint: EndpointManifest) -> list[Object]:
    ways: list[Object] = [{"token": []}] if endpoint.bearer else [{"cookie": []}, {"token": []}]
    return [{}, *ways] if endpoint.access is Access.ANYONE and not endpoint.bearer else ways


def _body(request: Object, endpoint: EndpointManifest, schemas: Schemas) -> Object:
    """Nothing and `null` stand for an empty object, where that is enough."""
    needed = bool(resolved(request, schemas.definitions).get("required"))
    content: Object = {"schema": request if needed else {"anyOf": [request, {"type": "null"}]}}
    if endpoint.example is not None:
        content["example"] = endpoint.example.request
    return {"required": needed, "content": {_JSON: content}}


def _parameters(request: Object, endpoint: EndpointManifest, schemas: Schemas) -> list[Object]:
    """One for each field. A query value has no way to be null: what may be left out is left out."""
    definition = resolved(request, schemas.definitions)
    example: Mapping[str, Any] = endpoint.example.request if endpoint.example else {}
    parameters = []
    for name, schema in definition.get("properties", {}).items():
        parameter = {
            "name": name,
            "in": "query",
            "required": name in definition.get("required", ()),
            "schema": _not_null(schema),
        }
        if "description" in schema:
            parameter["description"] = schema["description"]
        if name in example:
            parameter["example"] = example[name]
        parameters.append(parameter)
    return parameters


def _not_null(schema: Object) -> Object:
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if not options:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return rest | options[0] if len(options) == 1 else rest | {"anyOf": options}


def _answers(result: Object, endpoint: EndpointManifest) -> Object:
    content: Object = {"schema": result}
    if endpoint.example is not None:
        content["example"] = endpoint.example.result
    answer = {"description": "Done.", "headers": _REQUEST_ID, "content": {_JSON: content}}
    done = "201" if endpoint.surface is Surface.UPLOAD else "200"
    return {
        done: answer,
        **{str(HTTP_STATUS[code]): {"$ref": f"#/components/responses/{code}"} for code in CODES},
    }


def _failure(code: Code) -> Object:
    headers: Object = dict(_REQUEST_ID)
    if code == "rate_limited":
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if code == "unauthorized":
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WwwAuthenticate"}
    return {
        "description": f"`{code}`: {words.MEANING[code][0]}",
        "headers": headers,
        "content": {
            _JSON: {"schema": {"$ref": "#/components/schemas/ErrorBody"}, "example": words.error_example(code)}
        },
    }


def _security_schemes(*, secure: bool) -> Object:
    return {
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_name(secure=secure),
            "description": "What the pages use: set by signing in and by becoming a guest.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of a sign-in (EdDSA). `/.well-known/jwks.json` has the keys.",
        },
    }


_FILES: Final[Object] = {
    "description": "One part for each file.",
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
                },
                "required": ["files"],
            }
        }
    },
}
_HEADERS: Final[Object] = {
    "RequestId": {"description": "What logs call this request.", "schema": {"type": "string"}},
    "RetryAfter": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WwwAuthenticate": {"description": "What would do.", "required": True, "schema": {"const": "Bearer"}},
}
