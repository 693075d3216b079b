"""What a contract refuses, what its manifest carries, and that shards stay where they are."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulso.contract import (
    Access,
    Caller,
    Contract,
    Endpoint,
    Event,
    Example,
    Nothing,
    Surface,
    Topic,
    shard_of,
)
from pulso.manifest import Manifest, expectations, manifest_of
from pulso.uploads import Allowance, AskAllowance, StoredFiles


class Greeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    who: Greeting
    cups: Annotated[int, msgspec.Meta(ge=1, le=9, description="a whole number from 1 to 9")]
    sugar: Annotated[bool, msgspec.Meta(description="true or false")] = False


GREET = Endpoint("hall:greet", Greeting, Nothing, Access.GUEST, "Greet.", timeout_s=2.0, surface=Surface.HTTP)
GREETED = Event("hall:greeted", Greeting, "Somebody greets.")
HALL = Topic("hall.room.{room}", (GREETED,), everyone=True)


@pytest.mark.parametrize(
    "name", ["", "hall", "hall:", ":greet", "Hall:greet", "hall:greet:twice", "hall:gr eet", "há:x"]
)
def test_endpoint_name_that_is_not_service_and_verb_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="<service>:<verb>"):
        Endpoint(name, Nothing, Nothing, Access.ANYONE, "")


@pytest.mark.parametrize("name", ["", "Hall", "hall..room", "hall.room.", "hall room", "hall:room"])
def test_topic_name_that_is_not_in_lower_case_with_dots_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="dots"):
        Topic(name, ())


def test_endpoint_of_another_service_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        Contract("kitchen", (GREET,))


def test_topic_names_one_stream() -> None:
    assert HALL.of(room="sala-1") == "hall.room.sala-1"


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("anonymous", {Access.ANYONE}),
        ("guest", {Access.ANYONE, Access.GUEST}),
        ("user", {Access.ANYONE, Access.GUEST, Access.USER}),
        ("admin", set(Access)),
    ],
)
def test_each_kind_may_what_the_lesser_kinds_may(kind: str, allowed: set[Access]) -> None:
    caller = Caller("u", "Ana", kind)
    assert {access for access in Access if caller.may(access)} == allowed


def test_manifest_survives_the_wire() -> None:
    manifest = manifest_of(Contract("hall", (GREET,), (HALL,), (GREETED,)), shards=3)
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest) == manifest


def test_manifest_tells_a_gateway_all_it_needs() -> None:
    manifest = manifest_of(Contract("hall", (GREET,), (HALL,)), shards=3)
    (endpoint,) = manifest.endpoints
    assert (manifest.service, manifest.shards) == ("hall", 3)
    assert (endpoint.name, endpoint.access, endpoint.surface, endpoint.timeout_s) == (
        "hall:greet", Access.GUEST, Surface.HTTP, 2.0,
    )  # fmt: skip
    assert endpoint.request["$defs"]["Greeting"]["additionalProperties"] is False
    assert manifest.topics[0].everyone
    assert manifest.topics[0].events[0].name == "hall:greeted"


def test_manifest_says_which_endpoints_are_for_programs_and_an_older_one_that_none_are() -> None:
    fetch = Endpoint("hall:fetch", Nothing, Nothing, Access.GUEST, "Fetch.", bearer=True)
    manifest = manifest_of(Contract("hall", (GREET, fetch)), 1)
    assert [endpoint.bearer for endpoint in manifest.endpoints] == [False, True]
    data = msgspec.json.decode(msgspec.json.encode(manifest))
    for endpoint in data["endpoints"]:
        del endpoint["bearer"]
    older = msgspec.json.decode(msgspec.json.encode(data), type=Manifest)
    assert [endpoint.bearer for endpoint in older.endpoints] == [False, False]


def test_an_example_travels_as_somebody_would_write_it() -> None:
    brew = Endpoint(
        "hall:brew", Order, Nothing, Access.GUEST, "Brew.", example=Example(Order(Greeting("Ana"), 2), Nothing())
    )
    said = Event("hall:said", Greeting, "Said.", example=Greeting("hello"), on_connect=True)
    manifest = manifest_of(Contract("hall", (brew,), (Topic("hall.all", (said,)),)), 1)
    arrived = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
    assert arrived.endpoints[0].example is not None
    assert arrived.endpoints[0].example.request == {"who": {"text": "Ana"}, "cups": 2}  # no sugar, as by default
    assert arrived.endpoints[0].example.result == {}
    assert arrived.topics[0].events[0].example == {"text": "hello"}
    assert arrived.topics[0].events[0].on_connect


def test_what_takes_and_answers_nothing_needs_no_example() -> None:
    ring = Endpoint("hall:ring", Nothing, Nothing, Access.GUEST, "Ring.")
    (endpoint, other) = manifest_of(Contract("hall", (ring, GREET)), 1).endpoints
    assert endpoint.example is not None
    assert (endpoint.example.request, endpoint.example.result) == ({}, {})
    assert other.example is None


def test_an_example_that_could_not_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hall:brew: the example is none: .*<= 9"):
        Endpoint(
            "hall:brew", Order, Nothing, Access.GUEST, "", example=Example(Order(Greeting("Ana"), 10), Nothing())
        )
    with pytest.raises(ValueError, match="hall:said"):
        Event("hall:said", Greeting, "", example=Greeting(7))  # type: ignore[arg-type]  # that is the point


def test_manifest_of_a_newer_version_is_understood() -> None:
    data = msgspec.json.decode(msgspec.json.encode(manifest_of(Contract("hall", (GREET,)), 1)))
    data["invented_later"] = True
    assert msgspec.json.decode(msgspec.json.encode(data), type=Manifest).service == "hall"


def test_what_a_request_expects_is_said_in_the_words_of_its_contract() -> None:
    assert expectations(Order) == "cups: a whole number from 1 to 9. sugar: true or false."
    assert expectations(Greeting) == expectations(Nothing) == expectations(dict[str, int]) == ""


@pytest.mark.parametrize(("user", "of_7"), [("", 0), ("u_ana", 1), ("g_rui", 6), ("ü", 4)])
def test_shard_of_a_user_never_changes(user: str, of_7: int) -> None:
    """Written down once: a user whose shard moved would have lost their state."""
    assert shard_of(user, 7) == of_7


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 64))
def test_shard_is_one_of_the_shards(user: str, shards: int) -> None:
    assert 0 <= shard_of(user, shards) < shards


def test_an_endpoint_for_uploads_and_no_other_has_an_allowance() -> None:
    ask = Endpoint("hall:ask", AskAllowance, Allowance, Access.USER, "Ask.", surface=Surface.INTERNAL)
    upload = Endpoint(
        "hall:hang", StoredFiles, Nothing, Access.USER, "Hang it.", surface=Surface.UPLOAD, allowance=ask
    )
    manifest = manifest_of(Contract("hall", (ask, upload)), 1)
    assert [endpoint.allowance for endpoint in manifest.endpoints] == ["", "hall:ask"]
    with pytest.raises(ValueError, match="allowance"):
        Endpoint("hall:hang", StoredFiles, Nothing, Access.USER, "Hang it.", surface=Surface.UPLOAD)
    with pytest.raises(ValueError, match="allowance"):
        Endpoint("hall:greet", Nothing, Nothing, Access.USER, "Greet.", allowance=ask)
