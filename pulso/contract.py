"""What a service offers, as typed values: endpoints that are called and topics that are followed.

One `Endpoint` drives everything that is done about a request: the Socket.IO event, the HTTP route, decoding
and validation, the access check, limits, metrics and both documents. The gateway learns of endpoints and
topics from the `Manifest` that a service announces, so a new service needs no change there.

Requests, results and event payloads are frozen `msgspec.Struct`s with `forbid_unknown_fields`.
"""

from __future__ import annotations

import enum
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from pulso.examples import as_json, as_written, check_example

Req = TypeVar("Req")
Res = TypeVar("Res")

Kind = Literal["anonymous", "guest", "user", "admin"]

_ENDPOINT_NAME: Final = re.compile(r"[a-z][a-z0-9]*:[a-z][a-z0-9-]*")
_TOPIC_NAME: Final = re.compile(r"[a-z][a-z0-9]*(\.([a-z0-9-]+|\{[a-z]+\}))*")


class Access(enum.IntEnum):
    """The least that a caller must be. Kinds are ordered: an admin is a user, a user is a guest."""

    ANYONE = 0
    GUEST = 1
    USER = 2
    ADMIN = 3


_RANK: Final[Mapping[str, Access]] = {
    "anonymous": Access.ANYONE,
    "guest": Access.GUEST,
    "user": Access.USER,
    "admin": Access.ADMIN,
}


class Surface(enum.StrEnum):
    """Where an endpoint can be reached from."""

    OPEN = "open"  # a Socket.IO event and an HTTP route
    SOCKET = "socket"  # a Socket.IO event only: it is about the connection that asks
    HTTP = "http"  # an HTTP route only
    INTERNAL = "internal"  # the bus only: gateways and other services
    UPLOAD = "upload"  # a multipart POST: the gateway stores the files, and the request is what it has stored


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty request or result: `{}`."""


class Caller(msgspec.Struct, frozen=True, array_like=True):
    """Who asks. Only a gateway makes one, from a verified session or token.

    `session` is the id of the session behind the request, `connection` the socket it came over (empty for
    HTTP), `gateway` the one that holds that socket, `address` the client's network address. `is_alone` says that
    the user has no other connection, as far as the gateway knows (`Push.to_others`).
    """

    id: str
    name: str
    kind: Kind
    session: str = ""
    connection: str = ""
    gateway: str = ""
    address: str = ""
    is_alone: bool = False

    def may(self, access: Access) -> bool:
        return _RANK[self.kind] >= access


ANONYMOUS: Final = Caller(id="", name="", kind="anonymous")


@dataclass(frozen=True, slots=True)
class Example(Generic[Req, Res]):
    """A request and what it may be answered, as both documents show them; a test sends it to a running Pulso."""

    request: Req
    result: Res


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Req, Res]):
    """One thing that a service answers.

    `name` is `<service>:<verb>`: the Socket.IO event, and `/api/<service>/<verb>` over HTTP. A `reads`
    endpoint changes nothing and answers GET too. A `private` one is journaled without payload. An `on_connect`
    one is called by a gateway, with the connection as caller, for every new connection, until it is answered; an
    `on_gap` one for every connection of a gateway that may have missed what services told it.
    `timeout_s` is the caller's deadline in seconds. A `bearer` one takes an access token over HTTP and no cookie:
    it is for programs. `example` is checked against the types here, and shown in the documents; one that takes and
    answers `Nothing` needs none. Raises ValueError for an example that could not be sent.

    An endpoint for uploads takes `pulso.uploads.StoredFiles` and names the internal endpoint that is asked for an
    `Allowance` before anything is stored. HTTP answers its result with 201. Where it raises, or is not answered,
    the gateway removes the files.
    """

    name: str
    request: type[Req]
    result: type[Res]
    access: Access
    summary: str
    reads: bool = False
    surface: Surface = Surface.OPEN
    private: bool = False
    on_connect: bool = False
    on_gap: bool = False
    timeout_s: float = 5.0
    bearer: bool = False
    allowance: Endpoint[Any, Any] | None = None
    example: Example[Req, Res] | None = None

    def __post_init__(self) -> None:
        if not _ENDPOINT_NAME.fullmatch(self.name):
            raise ValueError(f"an endpoint is named <service>:<verb>, not {self.name!r}")
        if (self.surface is Surface.UPLOAD) is (self.allowance is None):
            raise ValueError(f"{self.name}: an endpoint for uploads, and no other, has an allowance")
        if self.example is not None:
            check_example(self.name, self.example.request, self.request)
            check_example(self.name, self.example.result, self.result)

    @property
    def service(self) -> str:
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Event(Generic[Res]):
    """Something a service tells connections unasked: a Socket.IO event and the type of its payload.

    One that is told `on_connect` comes to each new connection by itself. `example` is a payload, as for endpoints.
    """

    name: str
    payload: type[Res]
    summary: str
    example: Res | None = None
    on_connect: bool = False

    def __post_init__(self) -> None:
        if self.example is not None:
            check_example(self.name, self.example, self.payload)


@dataclass(frozen=True, slots=True)
class Topic:
    """A named stream of events to many connections. `chat.room.{room}` has one stream per room.

    Every connection is a member of a topic for `everyone`; others are joined by the service (`push.join`).
    """

    name: str
    events: tuple[Event[Any], ...]
    everyone: bool = False

    def __post_init__(self) -> None:
        if not _TOPIC_NAME.fullmatch(self.name):
            raise ValueError(f"a topic is named in lower case with dots, not {self.name!r}")

    def of(self, **parts: str) -> str:
        """The name of one stream: `ROOM.of(room="sala-1") == "chat.room.sala-1"`."""
        return self.name.format(**parts)


@dataclass(frozen=True, slots=True)
class Contract:
    """All that one service offers. `events` are those sent outside topics, to one user or connection."""

    service: str
    endpoints: tuple[Endpoint[Any, Any], ...]
    topics: tuple[Topic, ...] = ()
    events: tuple[Event[Any], ...] = ()

    def __post_init__(self) -> None:
        for endpoint in self.endpoints:
            if endpoint.service != self.service:
                raise ValueError(f"{endpoint.name} does not belong to the service {self.service}")
        for topic in self.topics:
            if not topic.name.startswith(f"{self.service}."):
                raise ValueError(f"{topic.name} does not belong to the service {self.service}")


class ExampleManifest(msgspec.Struct, frozen=True):
    """The JSON of a request, without what need not be said, and of its result."""

    request: Any
    result: Any


class EndpointManifest(msgspec.Struct, frozen=True):
    """An endpoint as a gateway sees it: names, rules and JSON Schemas, no Python types."""

    name: str
    access: Access
    summary: str
    reads: bool
    surface: Surface
    private: bool
    on_connect: bool
    timeout_s: float
    request: dict[str, Any]
    result: dict[str, Any]
    bearer: bool = False
    allowance: str = ""
    on_gap: bool = False
    example: ExampleManifest | None = None


class EventManifest(msgspec.Struct, frozen=True):
    name: str
    summary: str
    payload: dict[str, Any]
    example: Any = None
    on_connect: bool = False


class TopicManifest(msgspec.Struct, frozen=True):
    name: str
    everyone: bool
    events: tuple[EventManifest, ...]


class Manifest(msgspec.Struct, frozen=True):
    """What a service writes to the key `<prefix>:manifest:<service>` at start and announces to the gateways."""

    service: str
    shards: int
    endpoints: tuple[EndpointManifest, ...]
    topics: tuple[TopicManifest, ...]
    events: tuple[EventManifest, ...]


def manifest_of(contract: Contract, shards: int) -> Manifest:
    return Manifest(
        service=contract.service,
        shards=shards,
        endpoints=tuple(
            EndpointManifest(
                name=endpoint.name,
                access=endpoint.access,
                summary=endpoint.summary,
                reads=endpoint.reads,
                surface=endpoint.surface,
                private=endpoint.private,
                on_connect=endpoint.on_connect,
                timeout_s=endpoint.timeout_s,
                request=_schema(endpoint.request),
                result=_schema(endpoint.result),
                bearer=endpoint.bearer,
                allowance=endpoint.allowance.name if endpoint.allowance else "",
                on_gap=endpoint.on_gap,
                example=_example(endpoint),
            )
            for endpoint in contract.endpoints
        ),
        topics=tuple(
            TopicManifest(topic.name, topic.everyone, tuple(map(_event, topic.events)))
            for topic in contract.topics
        ),
        events=tuple(map(_event, contract.events)),
    )


def shard_of(user: str, shards: int) -> int:
    """The shard that owns a user's state: stable across processes and Python versions (CRC-32)."""
    return zlib.crc32(user.encode()) % shards if shards > 1 else 0


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of the object that a schema made by msgspec describes: `{"$ref", "$defs"}`."""
    definition = schema.get("$defs", {}).get(schema.get("$ref", "").rpartition("/")[2], schema)
    properties: dict[str, Any] = definition.get("properties", {})
    return properties


def expectations(request: type) -> str:
    """What a request's fields are to be, in the words of their `msgspec.Meta(description=...)`.

    They stand in the schema too; here they are for whoever sent something else.
    """
    fields = properties_of(_schema(request)).items()
    return " ".join(f"{name}: {field['description']}." for name, field in fields if "description" in field)


def _event(event: Event[Any]) -> EventManifest:
    example = Nothing() if event.payload is Nothing else event.example
    shown = None if example is None else as_json(example)
    return EventManifest(event.name, event.summary, _schema(event.payload), shown, event.on_connect)


def _example(endpoint: Endpoint[Any, Any]) -> ExampleManifest | None:
    example = endpoint.example
    if example is None:
        needs_none = endpoint.request is endpoint.result is Nothing
        return ExampleManifest({}, {}) if needs_none else None
    return ExampleManifest(as_written(example.request), as_json(example.result))


def _schema(type_: type) -> dict[str, Any]:
    return msgspec.json.schema(type_)
