"""Strategies for requests that nearly mean something: JSON of all shapes, examples with changes, bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

from tests.raw_http import JSON, request

MAX_BODY_BYTES: Final = 60_000
MOST_CHANGES: Final = 6
BOUNDARY: Final = "b"
FORM: Final = f"multipart/form-data; boundary={BOUNDARY}"
PART: Final = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\x89PNG\r\n\x1a\n\r\n--b--\r\n"
)
WORDS: Final = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u0000", b"\\ud800", b"\0", b"\xff", b"\r\n", b"-", b"%",
    b"1e999", b"NaN", b"null", b"true", b"9223372036854775808", b"--b", b"__proto__", b"..",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to ask one endpoint, by the target's own document: what it takes, and an example."""

    method: str
    path: str
    content_type: str
    fields: tuple[str, ...]
    example: bytes


def operations(document: Mapping[str, Any], *, without: Sequence[str]) -> list[Operation]:
    """All of them, but for those whose path ends so."""
    return [
        _operation(document, method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if path.startswith("/api/") and not path.endswith((*without, ".json"))
    ]


def requests(found: Sequence[Operation], headers: Mapping[str, str]) -> st.SearchStrategy[bytes]:
    """Whole requests, rightly framed; the bodies are anything."""
    return st.one_of([_request(operation, headers) for operation in found])


def broken_requests(found: Sequence[Operation], headers: Mapping[str, str]) -> st.SearchStrategy[bytes]:
    """Requests that were right until some of their bytes were changed, heads included."""
    whole = [
        request(each.method, each.path, {**headers, "Content-Type": each.content_type}, each.example)
        for each in found
    ]
    return st.one_of([changed(each) for each in whole])


def changed(data: bytes) -> st.SearchStrategy[bytes]:
    """With bytes flipped, cut out, put in, or repeated, a few times."""
    change = st.tuples(
        st.sampled_from(("flip", "cut", "insert", "repeat", "end")),
        st.integers(0, max(len(data) - 1, 0)),
        st.integers(1, 40),
        st.sampled_from(WORDS) | st.binary(min_size=1, max_size=4),
    )
    return st.lists(change, min_size=1, max_size=MOST_CHANGES).map(lambda changes: _apply(data, changes))


def _operation(document: Mapping[str, Any], method: str, path: str, described: Mapping[str, Any]) -> Operation:
    content = described.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return Operation(method.upper(), path, FORM, (), PART)
    body = content.get(JSON, {})
    schema = body.get("schema", {})
    named = next((each["$ref"] for each in (schema, *schema.get("anyOf", ())) if "$ref" in each), None)
    if named is not None:
        schema = document["components"]["schemas"][named.rpartition("/")[2]]
    fields = tuple(schema.get("properties", ())) or tuple(each["name"] for each in described.get("parameters", ()))
    return Operation(method.upper(), path, JSON, fields, json.dumps(body.get("example", {})).encode())


def _request(operation: Operation, headers: Mapping[str, str]) -> st.SearchStrategy[bytes]:
    if operation.method == "GET":
        return _queries(operation).map(lambda query: request("GET", f"{operation.path}?{query}", headers))
    bodies = changed(operation.example) | st.binary(max_size=300)
    if operation.content_type == JSON:
        bodies |= _objects(operation.fields) | _values().map(_as_json)
    named = {**headers, "Content-Type": operation.content_type}
    return bodies.map(lambda body: request("POST", operation.path, named, body[:MAX_BODY_BYTES]))


@functools.cache
def _leaves() -> st.SearchStrategy[Any]:
    near_edges = st.sampled_from((0, -1, 99, 100, 2**31, 2**53, 2**63, -(2**63) - 1, 2**64, 10**30))
    texts = st.text(st.characters(exclude_categories=()), max_size=40)
    odd = st.sampled_from(("", "\0", "\ud800", "\u202e", "a" * 5000, "sala-1", "../x", "<b>", "'", "1", "NaN"))
    return st.none() | st.booleans() | st.integers() | near_edges | st.floats() | texts | odd


@functools.cache
def _values() -> st.SearchStrategy[Any]:
    return st.recursive(
        _leaves(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )


def _objects(fields: Sequence[str]) -> st.SearchStrategy[bytes]:
    """What the endpoint takes by name, each value of any kind; some are missing, some are too many."""
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(fields, _leaves() | _values()))
    return known.map(_as_json)


def _queries(operation: Operation) -> st.SearchStrategy[str]:
    names = st.sampled_from((*operation.fields, "x", "__proto__", "a[]")) | st.text(max_size=8)
    pairs = st.tuples(names, st.text(max_size=30) | st.integers().map(str))
    return st.lists(pairs, max_size=5).map(
        lambda given: "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in given)
    )


def _escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _apply(data: bytes, changes: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    for how, at, length, put in changes:
        piece = data[at : at + length]
        if how == "flip":
            data = data[:at] + bytes(byte ^ put[0] for byte in piece) + data[at + length :]
        elif how == "cut":
            data = data[:at] + data[at + length :]
        elif how == "insert":
            data = data[:at] + put + data[at:]
        elif how == "repeat":
            data = data[:at] + piece * length + data[at:]
        else:
            data = data[:at]
    return data
