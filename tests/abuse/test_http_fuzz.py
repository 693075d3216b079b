"""Generated bodies at every endpoint, and generated requests: each is answered in time, and none with a 500."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.abuse.conftest import Report
from tests.abuse.control import slowness
from tests.abuse.fuzz import Operation, broken_requests, operations, requests
from tests.abuse.target import Account, Target
from tests.cases import Case
from tests.raw_http import ANSWERED_WITHIN_S, Answer, NotAnswered, connected

AT_ONCE: Final = 20
SHORT: Final = 400
SHORT_BROKEN: Final = 200
LONG: Final = 24_000
LONG_BROKEN: Final = 6_000
SOON_S: Final = 0.3
"""Then a request is taken for one that is not whole."""
ENDS_THE_SESSION: Final = ("/logout", "/logout-all")


@pytest.fixture(scope="module")
def admin(target: Target) -> Account:
    """Whoever may ask everything reaches the most."""
    return target.admin()


@pytest.fixture(scope="module")
def found(target: Target) -> list[Operation]:
    return operations(target.json("/api/openapi.json"), without=ENDS_THE_SESSION)


def test_fuzzed_bodies(target: Target, admin: Account, found: list[Operation], report: Report) -> None:
    seen = send(target, requests(found, admin.bearer), SHORT, pipelined=True)
    report(summed_up("fuzzed bodies", seen))
    assert {200, 400} <= set(seen.statuses), "all of it was refused: too wild to reach anything"


def test_fuzzed_requests(target: Target, admin: Account, found: list[Operation], report: Report) -> None:
    seen = send(target, broken_requests(found, admin.bearer), SHORT_BROKEN, pipelined=False)
    report(summed_up("fuzzed requests", seen))


@pytest.mark.long
@pytest.mark.usefixtures("steady")
def test_fuzzed_bodies_for_minutes(target: Target, admin: Account, found: list[Operation], report: Report) -> None:
    seen = send(target, requests(found, admin.bearer), LONG, pipelined=True)
    report(summed_up("fuzzed bodies", seen))
    assert seen.slowest_s <= ANSWERED_WITHIN_S * slowness()


@pytest.mark.long
@pytest.mark.usefixtures("steady")
def test_fuzzed_requests_for_minutes(
    target: Target, admin: Account, found: list[Operation], report: Report
) -> None:
    seen = send(target, broken_requests(found, admin.bearer), LONG_BROKEN, pipelined=False)
    report(summed_up("fuzzed requests", seen))
    assert seen.slowest_s <= ANSWERED_WITHIN_S * slowness()


class Seen:
    """What so many requests were answered with; 0 stands for a closed connection."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.slowest_s = 0.0

    def note(self, sent: bytes, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        self.slowest_s = max(self.slowest_s, answer.took_s)
        assert answer.status < 500, f"{answer} for {sent!r}"


def summed_up(name: str, seen: Seen) -> Case:
    by_status = ", ".join(f"{status or 'closed'}: {count}" for status, count in sorted(seen.statuses.items()))
    return Case(
        f"{seen.statuses.total():,} {name}",
        f"no 5xx, each within {ANSWERED_WITHIN_S:g} s",
        f"{by_status}; the slowest {seen.slowest_s:.2f} s",
    )


def send(target: Target, generated: st.SearchStrategy[bytes], count: int, *, pipelined: bool) -> Seen:
    """The short form is the same each time; the long one is not, and says how to repeat what it found."""
    seen = Seen()
    exchange = one_after_the_other if pipelined else each_alone
    with asyncio.Runner() as runner:

        @settings(
            max_examples=count // AT_ONCE,
            derandomize=count <= SHORT,
            database=None,
            deadline=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(generated, min_size=AT_ONCE, max_size=AT_ONCE))
        def attack(batch: list[bytes]) -> None:
            for sent, answer in zip(batch, runner.run(exchange(target, batch)), strict=True):
                seen.note(sent, answer)

        attack()
    return seen


async def one_after_the_other(target: Target, batch: Sequence[bytes]) -> list[Answer]:
    """On one connection, as fast as they are taken."""
    async with connected(target) as connection:
        await connection.send(b"".join(batch))
        answers = [await connection.answer() for _ in batch]
        assert all(answer.status for answer in answers), "closed, though each request was well framed"
        return answers


async def each_alone(target: Target, batch: Sequence[bytes]) -> list[Answer]:
    """What may not be whole is followed by the end: then nobody has to wait for more."""

    async def ask(data: bytes) -> Answer:
        async with connected(target) as connection:
            await connection.send(data)
            try:
                return await connection.answer(within_s=SOON_S)
            except NotAnswered:
                connection.end()
                return await connection.answer()

    return await asyncio.gather(*map(ask, batch))
