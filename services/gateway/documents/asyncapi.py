"""AsyncAPI 3 of what goes over sockets, from the manifests; the server is the application that it describes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from pulso.contract import Surface
from pulso.errors import CODES, ErrorBody
from pulso.manifest import EndpointManifest, EventManifest, Manifest, TopicManifest
from services.gateway.documents import words
from services.gateway.documents.schemas import Schemas
from services.gateway.sessions import cookie_name

Object = dict[str, Any]

_BY_SOCKET: Final = (Surface.OPEN, Surface.SOCKET)
_ERROR: Final = {"$ref": "#/components/messages/error"}
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_.-]")

DESCRIPTION: Final = """\
Socket.IO protocol 5 (Engine.IO 4) on `/socket.io/`, namespace `/`, JSON; any Socket.IO client of version 3 or
later speaks it. The address of a channel here is the name of a Socket.IO event, or of a topic.

- **Connecting**: with the session cookie from a page of the same origin, or with `auth: {"token": "..."}`, an
  access token. Whoever has neither is refused with a `connect_error` whose message is `unauthorized`.
- **Asking**: an event with one JSON object, or nothing. Its acknowledgement is the result, or
  `{"error": {"code", "message"}}` with a code of a closed list. A change is acknowledged after it was committed.
- **Being told**: events of topics and events of one's own. After `session:ready` nothing is missed; where
  something may have been, `session:resync` says so.
- **Times** are ISO-8601 in UTC with milliseconds and `Z`, ids are strings, money is whole cents.

The same endpoints are reached over HTTP, which `/api/openapi.json` describes.
"""


def asyncapi(services: Iterable[Manifest], *, host: str, secure: bool) -> Object:
    """`host` is the one that the document was asked for at, `secure` whether that was over TLS."""
    document = _Document()
    for manifest in words.with_own(services):
        document.add(manifest)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Pulso over Socket.IO",
            "version": words.VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
            "tags": document.tags,
        },
        "defaultContentType": "application/json",
        "servers": {
            "pulso": {
                "host": host,
                "pathname": "/socket.io/",
                "protocol": "wss" if secure else "ws",
                "description": "Socket.IO 5 on Engine.IO 4: a WebSocket, or HTTP polling where there is none.",
                "security": [
                    {"$ref": "#/components/securitySchemes/cookie"},
                    {"$ref": "#/components/securitySchemes/token"},
                ],
            }
        },
        "channels": document.channels,
        "operations": document.operations,
        "components": {
            "schemas": dict(sorted(document.schemas.definitions.items())),
            "messages": document.messages,
            "securitySchemes": {
                "cookie": {"type": "httpApiKey", "in": "cookie", "name": cookie_name(secure=secure)},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": 'The access token of a sign-in, as `auth: {"token": "..."}` on connecting.',
                },
            },
        },
    }


class _Document:
    """The parts of the document, as far as services were added."""

    def __init__(self) -> None:
        self.tags: list[Object] = []
        self.channels: Object = {}
        self.operations: Object = {}
        self.schemas = Schemas()
        error = self.schemas.add("", msgspec.json.schema(ErrorBody))
        self.messages: Object = {
            "error": {
                "name": "error",
                "title": "Error",
                "summary": "The acknowledgement of whatever failed.",
                "payload": error,
                "examples": [
                    {"name": code, "summary": words.MEANING[code][0], "payload": words.error_example(code)}
                    for code in CODES
                ],
            }
        }

    def add(self, manifest: Manifest) -> None:
        service = manifest.service
        asked = [endpoint for endpoint in manifest.endpoints if endpoint.surface in _BY_SOCKET]
        for endpoint in asked:
            self._add_endpoint(service, endpoint)
        for topic in manifest.topics:
            self._add_topic(service, topic)
        for event in manifest.events:
            self._add_event(service, event)
        if asked or manifest.topics or manifest.events:
            self.tags.append({"name": service})

    def _add_endpoint(self, service: str, endpoint: EndpointManifest) -> None:
        key = _key(endpoint.name)
        request_example = [endpoint.example.request] if endpoint.example else []
        result_example = [endpoint.example.result] if endpoint.example else []
        messages = {
            "request": self._message(
                f"{key}.request", service, endpoint.name, endpoint.summary, endpoint.request, request_example
            ),
            "ack": self._message(
                f"{key}.ack",
                service,
                f"{endpoint.name} (ack)",
                "The answer.",
                endpoint.result,
                result_example,
            ),
            "error": _ERROR,
        }
        here = {"$ref": f"#/channels/{key}"}
        self.channels[key] = {
            "address": endpoint.name,
            "title": endpoint.name,
            "summary": endpoint.summary,
            "description": words.may_ask(endpoint.access),
            "messages": messages,
            "tags": [{"name": service}],
        }
        self.operations[key] = {
            "action": "receive",
            "channel": here,
            "summary": endpoint.summary,
            "description": words.may_ask(endpoint.access),
            "tags": [{"name": service}],
            "messages": [{"$ref": f"#/channels/{key}/messages/request"}],
            "reply": {
                "channel": here,
                "messages": [
                    {"$ref": f"#/channels/{key}/messages/ack"},
                    {"$ref": f"#/channels/{key}/messages/error"},
                ],
            },
        }

    def _add_topic(self, service: str, topic: TopicManifest) -> None:
        who = "Every connection follows it." if topic.everyone else "Whom the service lets in follows it."
        parameters = {name: {"description": f"Which {name}."} for name in re.findall(r"\{(\w+)\}", topic.name)}
        key = f"topic.{_key(topic.name.replace('{', '').replace('}', ''))}"
        self._add_sending(key, service, topic.events, address=topic.name, description=who)
        if parameters:
            self.channels[key]["parameters"] = parameters

    def _add_event(self, service: str, event: EventManifest) -> None:
        description = "To one user's connections, or to a single one."
        self._add_sending(
            f"event.{_key(event.name)}", service, [event], address=event.name, description=description
        )

    def _add_sending(
        self, key: str, service: str, events: Sequence[EventManifest], *, address: str, description: str
    ) -> None:
        self.channels[key] = {
            "address": address,
            "title": address,
            "description": description,
            "messages": {_key(event.name): self._event(service, event) for event in events},
            "tags": [{"name": service}],
        }
        for event in events:
            sent = {"$ref": f"#/channels/{key}/messages/{_key(event.name)}"}
            self.operations[f"{key}.{_key(event.name)}"] = {
                "action": "send",
                "channel": {"$ref": f"#/channels/{key}"},
                "summary": event.summary,
                "description": f"{description} {_ON_CONNECT}" if event.on_connect else description,
                "tags": [{"name": service}],
                "messages": [sent],
            }

    def _event(self, service: str, event: EventManifest) -> Object:
        examples = [] if event.example is None else [event.example]
        return self._message(_key(event.name), service, event.name, event.summary, event.payload, examples)

    def _message(
        self, key: str, service: str, name: str, summary: str, schema: Object, examples: Sequence[Any]
    ) -> Object:
        """The reference to a message that is kept among the components."""
        self.messages[key] = {
            "name": name,
            "title": name,
            "summary": summary,
            "payload": self.schemas.add(service, schema),
        }
        if examples:
            self.messages[key]["examples"] = [{"payload": example} for example in examples]
        return {"$ref": f"#/components/messages/{key}"}


_ON_CONNECT: Final = "Each new connection is told it at once."


def _key(name: str) -> str:
    """A name as AsyncAPI takes one: `numbers.set` for `numbers:set`."""
    return _NOT_IN_KEYS.sub("_", name.replace(":", "."))
