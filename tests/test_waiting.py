"""What the tests wait with, and that some of them run alone."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator

import pytest

from tests.alone import Kind, Turns
from tests.stopwatch import Stopwatch
from tests.waiting import PATIENCE_S, at_most, eventually

SOME_S = 0.2
LONG_S = 100 * SOME_S


def test_a_stopwatch_never_counts_more_than_has_passed() -> None:
    with Stopwatch() as watch:
        threading.Event().wait(SOME_S)
    assert watch.slowness >= 1
    assert 0 < watch.seconds < LONG_S
    assert "times slower than idle" in str(watch)


async def test_a_promise_that_is_not_kept_is_told() -> None:
    with pytest.raises(AssertionError, match="slower than idle"):
        async with at_most(0.0):
            await asyncio.sleep(0)
    with pytest.raises(AssertionError, match=r"did not come true within 0\.1 s"):
        await eventually(lambda: False, within_s=0.1)
    async with at_most(LONG_S):
        assert await eventually(lambda: "so", within_s=LONG_S) == "so"


@pytest.fixture
def workers() -> Iterator[tuple[Turns, Turns]]:
    run = secrets.token_hex(4)
    both = Turns(run, seats=2), Turns(run, seats=2)
    yield both
    for worker in both:
        worker.pytest_unconfigure()


@pytest.mark.parametrize("first", Kind)
@pytest.mark.parametrize("second", Kind)
def test_whoever_measures_waits_for_the_others_and_they_for_it(
    workers: tuple[Turns, Turns], first: Kind, second: Kind
) -> None:
    one, other = workers
    together = first is second is not Kind.ALONE
    one.enter(first)
    is_in = threading.Event()
    coming = threading.Thread(target=lambda: (other.enter(second), is_in.set()))
    coming.start()
    if not together:
        assert not is_in.wait(SOME_S)
        one.leave()
    assert is_in.wait(PATIENCE_S)
    coming.join()


def test_where_all_seats_are_taken_the_next_waits_for_one() -> None:
    run = secrets.token_hex(4)
    one, other = Turns(run, seats=1), Turns(run, seats=1)
    one.enter(Kind.QUIET)
    is_in = threading.Event()
    coming = threading.Thread(target=lambda: (other.enter(Kind.QUIET), is_in.set()))
    coming.start()
    assert not is_in.wait(SOME_S)
    one.leave()
    assert is_in.wait(PATIENCE_S)
    coming.join()
    for worker in (one, other):
        worker.pytest_unconfigure()
