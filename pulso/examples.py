"""Examples of what goes over the wire: checked against their types, and as somebody would write them."""

from __future__ import annotations

from typing import Any

import msgspec


def check_example(name: str, value: Any, type_: type) -> None:
    """Raises ValueError for a value that the type does not allow; its fields have types, but bounds, too."""
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=type_)
    except msgspec.ValidationError as fault:
        raise ValueError(f"{name}: the example is none: {fault}") from None


def as_json(value: Any) -> Any:
    """The value as it goes over the wire, in plain JSON types."""
    return msgspec.json.decode(msgspec.json.encode(value))


def as_written(request: Any) -> Any:
    """The JSON of a request, without what may be left out because it is the default."""
    said = as_json(request)
    if isinstance(request, msgspec.Struct):
        for field in msgspec.structs.fields(request):
            if not field.required and getattr(request, field.name) == _default_of(field):
                said.pop(field.encode_name, None)
    return said


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
