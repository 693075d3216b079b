"""Calls that wait for their channel: by endpoint, and no client's out of their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from pulso.channel_queue import MAX_TOGETHER, ChannelQueue
from pulso.message import Calls, Tell

Asked = tuple[str, str]
"""A client, and the endpoint that it calls; no client: something that is no call."""


def queued(asked: list[Asked]) -> ChannelQueue:
    """Each payload is the call's place among all."""
    queue = ChannelQueue()
    for number, (client, endpoint) in enumerate(asked):
        caller, payload = client.encode(), b"%d" % number
        if not client:
            queue.put(Tell("a:news", payload))
        elif not queue.take(endpoint, number, caller, payload, client):
            queue.begin(Calls(endpoint, "inbox", 5.0, [number], [caller], [payload]), client)
    return queue


def contents(queue: ChannelQueue) -> list[tuple[str, list[int]]]:
    return [
        (envelope.endpoint, envelope.ids)
        if isinstance(envelope, Calls)
        else (envelope.event, [int(envelope.payload)])
        for envelope in queue.envelopes
        if isinstance(envelope, Calls | Tell)
    ]


def test_calls_of_many_clients_to_one_endpoint_go_together_whatever_comes_between() -> None:
    queue = queued([("ana", "n:set"), ("rui", "n:odd"), ("bruno", "n:set"), ("carla", "n:odd"), ("rui", "n:odd")])
    assert contents(queue) == [("n:set", [0, 2]), ("n:odd", [1, 3, 4])]


def test_a_client_that_asked_for_something_else_begins_an_envelope_that_others_join() -> None:
    queue = queued([("ana", "n:set"), ("ana", "n:odd"), ("ana", "n:set"), ("rui", "n:set"), ("rui", "n:odd")])
    assert contents(queue) == [("n:set", [0]), ("n:odd", [1]), ("n:set", [2, 3]), ("n:odd", [4])]


def test_what_is_no_call_parts_those_before_it_from_those_after_it() -> None:
    queue = queued([("ana", "n:set"), ("", ""), ("rui", "n:set")])
    assert contents(queue) == [("n:set", [0]), ("a:news", [1]), ("n:set", [2])]


def test_a_full_envelope_is_followed_by_another() -> None:
    queue = queued([(f"client-{number}", "n:set") for number in range(MAX_TOGETHER + 1)])
    assert [len(ids) for _, ids in contents(queue)] == [MAX_TOGETHER, 1]


@given(some.lists(some.tuples(some.sampled_from(["ana", "rui", "bruno", ""]), some.sampled_from("abc"))))
def test_no_clients_calls_change_their_order_and_nothing_passes_what_is_no_call(asked: list[Asked]) -> None:
    queue = queued(asked)
    order = [number for _, ids in contents(queue) for number in ids]
    assert sorted(order) == list(range(len(asked)))
    for one in {client for client, _ in asked}:
        numbers = [number for number in order if asked[number][0] in {one, ""}]
        assert numbers == sorted(numbers)
    for envelope in queue.envelopes:
        if isinstance(envelope, Calls):
            assert {asked[number][1] for number in envelope.ids} == {envelope.endpoint}
            assert [asked[number][0].encode() for number in envelope.ids] == envelope.callers
            assert [b"%d" % number for number in envelope.ids] == envelope.payloads
