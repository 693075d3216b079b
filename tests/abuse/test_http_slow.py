"""Clients that dawdle: headers have ten seconds, a body thirty, on the gateway's own port and behind nginx."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.abuse.conftest import UNLIMITED, Report
from tests.abuse.target import Account, Target
from tests.cases import Case
from tests.conftest import run_stack
from tests.raw_http import Connection, connected, request

HEADERS_WITHIN_S: Final = 10.0
BODY_WITHIN_S: Final = 30.0
SLACK_S: Final = 5.0
DRIP_S: Final = 0.5

HEAD: Final = b"GET /login HTTP/1.1\r\nHost: pulso\r\n"
LENGTH: Final = {"Content-Length": "1000"}
CHUNKS: Final = {"Transfer-Encoding": "chunked"}
JSON: Final = {"Content-Type": "application/json"}
FORM: Final = {"Content-Type": "multipart/form-data; boundary=b"}
PART: Final = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nbegins'


@pytest.fixture(scope="module")
def proxied() -> Iterator[Target]:
    """Another one, behind nginx."""
    for stack in run_stack(gateways=2, PULSO_BCRYPT_COST="4", **UNLIMITED):
        yield Target(stack)


async def drip(connection: Connection, piece: bytes) -> None:
    """Again and again, until nobody is there any more."""
    while True:
        await connection.send(piece)
        await asyncio.sleep(DRIP_S)


async def closed_after_s(target: Target, begin: bytes, piece: bytes, *, at_most_s: float) -> float:
    """How long a connection lasts that begins so and then drips."""
    async with connected(target) as connection:
        began = time.monotonic()
        await connection.send(begin)
        dripping = asyncio.create_task(drip(connection, piece))
        try:
            await connection.closes(within_s=at_most_s)
        finally:
            dripping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await dripping
        return time.monotonic() - began


def slow(account: Account) -> dict[str, tuple[bytes, bytes, float]]:
    """By name: how it begins, what drips, and how long that may go on."""
    set_ = "/api/numbers/set"
    whole = request("GET", "/api/clock/now")

    def posted(path: str, headers: dict[str, str], begin: bytes = b"") -> bytes:
        return request("POST", path, {**account.bearer, **headers}) + begin

    return {
        "nothing at all": (b"", b"", HEADERS_WITHIN_S),
        "half a line": (b"GET /login HT", b"", HEADERS_WITHIN_S),
        "a method that never ends": (b"G", b"E", HEADERS_WITHIN_S),
        "an address that never ends": (b"GET /", b"x", HEADERS_WITHIN_S),
        "headers that never end": (HEAD, b"X: y\r\n", HEADERS_WITHIN_S),
        "one header that never ends": (HEAD + b"X: ", b"y", HEADERS_WITHIN_S),
        "empty lines before the request": (b"\r\n", b"\r\n", HEADERS_WITHIN_S),
        "half a handshake": (b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n", b"", HEADERS_WITHIN_S),
        "the headers of a second request": (whole + HEAD, b"X: y\r\n", HEADERS_WITHIN_S),
        "a body that never begins": (posted(set_, {**JSON, **LENGTH}), b"", BODY_WITHIN_S),
        "a body that stops": (posted(set_, {**JSON, **LENGTH}, b'{"value"'), b"", BODY_WITHIN_S),
        "an upload that stops": (posted("/api/chat/files", {**FORM, **LENGTH}, PART), b"", BODY_WITHIN_S),
        "a body that drips": (posted(set_, {**JSON, **LENGTH}, b'{"value":'), b" ", BODY_WITHIN_S),
        "chunks that drip": (posted(set_, {**JSON, **CHUNKS}), b"1\r\n \r\n", BODY_WITHIN_S),
        "an extension of a chunk that never ends": (posted(set_, {**JSON, **CHUNKS}, b"1;"), b"x", BODY_WITHIN_S),
    }


DRIPPING_BODIES: Final = frozenset(
    {"a body that drips", "chunks that drip", "an extension of a chunk that never ends"}
)
"""nginx keeps these to itself for as long as something comes every 30 s: no gateway knows of them."""


@pytest.mark.long
@pytest.mark.parametrize("front", ["its own port", "nginx"])
async def test_who_dawdles_is_sent_away_at(
    target: Target, request: pytest.FixtureRequest, report: Report, front: str
) -> None:
    """All of them at once, and whoever does not dawdle is served meanwhile."""
    attacked: Target = target if front == "its own port" else request.getfixturevalue("proxied")
    cases = {
        name: case
        for name, case in slow(attacked.user()).items()
        if front == "its own port" or name not in DRIPPING_BODIES
    }
    lasted = await asyncio.gather(
        *(
            closed_after_s(attacked, begin, piece, at_most_s=at_most_s + SLACK_S)
            for begin, piece, at_most_s in cases.values()
        ),
        return_exceptions=True,
    )
    for (name, (*_, at_most_s)), seen in zip(cases.items(), lasted, strict=True):
        shown = seen if isinstance(seen, BaseException) else f"{seen:.1f} s"
        report(Case(f"{name}, at {front}", f"closed within {at_most_s:g} s", str(shown)))
    assert not [seen for seen in lasted if isinstance(seen, BaseException)]
