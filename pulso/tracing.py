"""Whose work the code that runs now is: a request's id and its W3C trace, in each log line and each further call.

A context variable carries it, so that nothing in between has to pass it on. A client names its request with the
header `X-Request-Id`, and its trace with `traceparent` (https://www.w3.org/TR/trace-context/): both are passed on
as they came.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any, Final

import msgspec

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Origin(msgspec.Struct, frozen=True):
    """A request under way. `trace` is a traceparent or empty; `batch` how many calls are handled together."""

    request: str = ""
    trace: str = ""
    endpoint: str = ""
    batch: int = 1


_NOBODY: Final = Origin()
ORIGIN: Final[ContextVar[Origin]] = ContextVar("pulso_origin", default=_NOBODY)


def traceparent(text: object) -> str:
    """The traceparent if it is one, else nothing: what a client sends is not passed on unseen."""
    return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else ""


def add_origin(_logger: Any, _method: str, event: Any) -> Any:
    """A processor for structlog. What a line says itself wins."""
    origin = ORIGIN.get()
    if origin is not _NOBODY:
        if origin.request:
            event.setdefault("request", origin.request)
        if origin.trace:
            event.setdefault("trace", origin.trace)
        if origin.endpoint:
            event.setdefault("endpoint", origin.endpoint)
        if origin.batch > 1:
            event.setdefault("batch", origin.batch)
    return event
