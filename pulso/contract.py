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

from pulso.examples import check_example

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


def shard_of(user: str, shards: int) -> int:
    """The shard that owns a user's state: stable across processes and Python versions (CRC-32)."""
    return zlib.crc32(user.encode()) % shards if shards > 1 else 0
