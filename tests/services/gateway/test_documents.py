"""Both documents of services that the gateway has never heard of, without anything running."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import validate

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Surface, Topic
from pulso.errors import CODES, HTTP_STATUS, ServiceError
from pulso.manifest import manifest_of
from services.gateway.api import error_response
from services.gateway.documents.asyncapi import asyncapi
from services.gateway.documents.openapi import openapi
from services.gateway.documents.schemas import Schemas


class Cups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many, and for whom:

    each cup is counted.
    """

    cups: Annotated[int, msgspec.Meta(ge=1, le=9, description="1 to 9")]
    who: str | None = None


BREW = Endpoint(
    "kitchen:brew", Cups, Cups, Access.USER, "Brew.", reads=True, example=Example(Cups(2), Cups(2, "Rui"))
)
SIT = Endpoint("kitchen:sit", Nothing, Nothing, Access.GUEST, "Sit down.", surface=Surface.SOCKET)
WASH = Endpoint("kitchen:wash", Nothing, Nothing, Access.ANYONE, "Wash up.", surface=Surface.INTERNAL)
EXPORT = Endpoint("kitchen:export", Nothing, Cups, Access.GUEST, "Export.", surface=Surface.HTTP, bearer=True)
READY = Event("kitchen:ready", Cups, "It is ready.", example=Cups(2))
HELLO = Event("kitchen:hello", Nothing, "Hello.", on_connect=True)
KITCHEN = Contract(
    "kitchen",
    (BREW, SIT, WASH, EXPORT),
    (Topic("kitchen.table.{table}", (READY,)), Topic("kitchen.all", (READY,), everyone=True)),
    (HELLO,),
)
MANIFESTS = [manifest_of(KITCHEN, 3)]


@pytest.fixture
def http() -> dict[str, Any]:
    return openapi(MANIFESTS, secure=False)


@pytest.fixture
def socket() -> dict[str, Any]:
    return asyncapi(MANIFESTS, host="pulso.example", secure=True)


def test_a_service_is_documented_by_its_manifest_alone(http: dict[str, Any]) -> None:
    validate(http)
    kitchen = {path: set(methods) for path, methods in http["paths"].items() if "kitchen" in path}
    assert kitchen == {"/api/kitchen/brew": {"get", "post"}, "/api/kitchen/export": {"post"}}
    brew = http["paths"]["/api/kitchen/brew"]
    assert brew["post"]["requestBody"]["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/kitchen.Cups"},
        "example": {"cups": 2},
    }
    cups, who = brew["get"]["parameters"]
    assert (cups["name"], cups["required"], cups["example"], cups["description"]) == ("cups", True, 2, "1 to 9")
    assert (who["name"], who["required"], who["schema"]) == ("who", False, {"type": "string"})


def test_who_may_ask_and_how_is_said(http: dict[str, Any]) -> None:
    paths = http["paths"]
    assert paths["/api/kitchen/brew"]["post"]["security"] == [{"cookie": []}, {"token": []}]
    assert paths["/api/kitchen/export"]["post"]["security"] == [{"token": []}]
    assert paths["/api/auth/login"]["post"]["security"] == [{}, {"cookie": []}, {"token": []}]


def test_over_tls_the_cookie_has_its_other_name() -> None:
    for secure, name in ((False, "pulso_session"), (True, "__Host-pulso_session")):
        assert openapi([], secure=secure)["components"]["securitySchemes"]["cookie"]["name"] == name
        schemes = asyncapi([], host="pulso.example", secure=secure)["components"]["securitySchemes"]
        assert schemes["cookie"]["name"] == name


def test_every_code_is_an_answer_with_its_status(http: dict[str, Any]) -> None:
    answers = http["paths"]["/api/kitchen/brew"]["post"]["responses"]
    for code in CODES:
        assert answers[str(HTTP_STATUS[code])] == {"$ref": f"#/components/responses/{code}"}
        content = http["components"]["responses"][code]["content"]["application/json"]
        assert content["example"]["error"]["code"] == code
    assert "Retry-After" in http["components"]["responses"]["rate_limited"]["headers"]


def test_whatever_was_too_much_says_when_to_come_back() -> None:
    assert error_response(ServiceError("rate_limited", "Slow down.")).headers["Retry-After"] == "1"
    later = ServiceError("rate_limited", "Slow down.", retry_after_s=40)
    assert error_response(later).headers["Retry-After"] == "40"


def test_topics_events_and_acks_are_channels(socket: dict[str, Any]) -> None:
    assert socket["servers"]["pulso"]["protocol"] == "wss"
    channels, operations = socket["channels"], socket["operations"]
    assert {name for name in channels if "kitchen" in name} == {
        "kitchen.brew", "kitchen.sit", "topic.kitchen.table.table", "topic.kitchen.all", "event.kitchen.hello",
    }  # fmt: skip
    assert set(channels["kitchen.brew"]["messages"]) == {"request", "ack", "error"}
    answers = [reference["$ref"] for reference in operations["kitchen.brew"]["reply"]["messages"]]
    assert answers == [f"#/channels/kitchen.brew/messages/{kind}" for kind in ("ack", "error")]
    table = channels["topic.kitchen.table.table"]
    assert (table["address"], set(table["parameters"])) == ("kitchen.table.{table}", {"table"})
    assert channels["topic.kitchen.all"]["description"] == "Every connection follows it."
    assert "at once" in operations["event.kitchen.hello.kitchen.hello"]["description"]


def test_a_type_is_named_once_and_its_text_is_not_taken_for_code(http: dict[str, Any]) -> None:
    schemas = http["components"]["schemas"]
    assert [name for name in schemas if name.startswith("kitchen.")] == ["kitchen.Cups"]
    assert schemas["kitchen.Cups"]["description"] == "How many, and for whom:\n\neach cup is counted."
    assert "Nothing" in schemas


def test_two_types_of_one_name_stay_two() -> None:
    schemas = Schemas()
    made = [
        msgspec.defstruct("Page", [("of", msgspec.defstruct("Item", [("it", kind)]))]) for kind in (int, str, int)
    ]
    references = [schemas.add("hall", msgspec.json.schema(page))["$ref"].rpartition("/")[2] for page in made]
    assert references == ["hall.Page", "hall.Page2", "hall.Page"]
    assert schemas.definitions["hall.Page2"]["properties"]["of"] == {"$ref": "#/components/schemas/hall.Item2"}
