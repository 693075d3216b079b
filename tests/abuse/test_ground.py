"""The suite sees what it looks for: else nothing that it finds in order would mean anything."""

from __future__ import annotations

import pytest

from tests.abuse.control import Control
from tests.abuse.target import Target, is_fault
from tests.raw_http import ask, connected, request


async def test_an_answer_is_read_and_a_closed_connection_is_seen(target: Target) -> None:
    answer = await ask(target, request("GET", "/api/auth/me"))
    assert (str(answer), answer.headers["Server"]) == ("401 unauthorized", "pulso")
    async with connected(target) as connection:
        await connection.send(request("GET", "/api/clock/now", {"Connection": "close"}))
        assert (await connection.answer()).status == 200
        assert (await connection.answer()).status == 0


def test_the_healthy_client_is_answered_again_and_again(control: Control) -> None:
    noted = control.wait_for(3, since=control.mark(), within_s=60)
    assert all(each.ack_s > 0 and each.response_s > 0 for each in noted)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ('{"event": "answered", "status": 400, "level": "info"}', False),
        ('{"event": "answered", "status": 503, "level": "warning"}', False),
        ('{"event": "request failed", "level": "error"}', True),
        ("Traceback (most recent call last):", True),
        ("Task was destroyed but it is pending!", True),
    ],
)
def test_errors_and_traces_in_the_log_are_faults(line: str, is_one: bool) -> None:
    assert is_fault(line) is is_one
