"""What a service offers as others see it: names, rules, JSON Schemas and examples, none of its Python types."""

from __future__ import annotations

from typing import Any

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Nothing, Surface
from pulso.examples import as_json, as_written


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
