"""Query values become what the endpoint's schema says, or stay the text that they are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import make_mocked_request

from pulso.contract import Access, Surface
from pulso.errors import ServiceError
from pulso.manifest import EndpointManifest
from services.gateway.api import query_payload

SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "after": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "wait": {"type": "number"},
        "on": {"type": "boolean"},
        "text": {"type": "string"},
    },
}
ENDPOINT = EndpointManifest(
    "x:y", Access.ANYONE, "Y.", reads=True, surface=Surface.OPEN, private=False, on_connect=False, timeout_s=5.0,
    request=SCHEMA, result={},
)  # fmt: skip


def payload(query: str) -> Any:
    return json.loads(query_payload(make_mocked_request("GET", f"/api/x/y?{query}"), ENDPOINT))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("n", "12", 12), ("n", "-3", -3),
     ("n", "007", 7), ("after", "5", 5), ("wait", "1.5", 1.5), ("wait", "2", 2.0),
     ("wait", "1e3", 1000.0), ("on", "true", True), ("on", "false", False), ("text", "12", "12")],
)  # fmt: skip
def test_values_are_converted_by_the_schema(name: str, text: str, value: object) -> None:
    assert payload(urlencode({name: text})) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [("n", "\u0661\u0662"), ("n", "\uff11\uff12"), ("n", "1_000"), ("n", "+1"), ("n", "--1"),
     ("n", " 1"), ("n", "1.0"), ("n", "1e3"),
     ("n", ""), ("n", "9" * 21), ("n", "0x10"), ("wait", "nan"), ("wait", "inf"), ("wait", "-Infinity"),
     ("wait", "1e999"), ("wait", "\u0661.\u0662"), ("wait", "1_0.0"), ("wait", ".5"), ("wait", "9" * 400),
     ("on", "True"),
     ("on", "1"), ("unknown", "1")],
)  # fmt: skip
def test_what_is_no_value_of_that_kind_stays_text(name: str, text: str) -> None:
    assert payload(urlencode({name: text})) == {name: text}


def test_a_value_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ServiceError, match="bad_request"):
        payload("n=1&n=2")
