"""The types of all services under one roof: each is named once, and referred to from wherever it is used."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pulso.contract import Nothing
from pulso.errors import ErrorBody

PLACE: Final = "#/components/schemas/"

Schema = dict[str, Any]

_HERE: Final = "#/$defs/"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


class Schemas:
    """`numbers.Value` is the type `Value` of the service numbers; what all services share has no prefix."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._known: dict[str, list[bytes]] = {}
        self._shared = {name: whole for type_ in (Nothing, ErrorBody) for name, whole in _wholes(type_).items()}

    def add(self, service: str, schema: Schema) -> Schema:
        """A schema with its definitions, as msgspec makes them, turned into one that refers to the components."""
        definitions: dict[str, Schema] = schema.get("$defs", {})
        names = {name: self._name(service, name, definitions) for name in definitions}
        for name, definition in definitions.items():
            self.definitions[names[name]] = _referring(definition, names)
        own: Schema = _referring({key: value for key, value in schema.items() if key != "$defs"}, names)
        return own

    def _name(self, service: str, name: str, definitions: Mapping[str, Schema]) -> str:
        """The same for the same type; two types of one name, in two modules of a service, are numbered."""
        whole = _whole(name, definitions)
        plain = _NOT_IN_NAMES.sub("_", name)
        if self._shared.get(name) == whole:
            return plain
        wanted = f"{service}.{plain}"
        known = self._known.setdefault(wanted, [])
        if whole not in known:
            known.append(whole)
        number = known.index(whole) + 1
        return wanted if number == 1 else f"{wanted}{number}"


def resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """What a reference into the components stands for."""
    return definitions.get(schema.get("$ref", "").removeprefix(PLACE), schema)


def _wholes(type_: type) -> dict[str, bytes]:
    definitions = msgspec.json.schema(type_)["$defs"]
    return {name: _whole(name, definitions) for name in definitions}


def _whole(name: str, definitions: Mapping[str, Schema]) -> bytes:
    """The definition with all that it refers to: types that look alike may still be made of others."""
    reached: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in reached and here in definitions:
            reached[here] = definitions[here]
            waiting += re.findall(r'"#/\$defs/([^"]+)"', msgspec.json.encode(definitions[here]).decode())
    return msgspec.json.encode(reached, order="sorted")


def _referring(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_referring(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _referring(value, names) for key, value in node.items()}
    reference, description = node.get("$ref"), node.get("description")
    if isinstance(reference, str):
        name = reference.removeprefix(_HERE)
        changed["$ref"] = PLACE + names.get(name, name)
    if isinstance(description, str):
        changed["description"] = inspect.cleandoc(description)  # a docstring's indentation would show as code
    return changed
