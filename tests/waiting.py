"""Waiting in tests: for an event where there is one, else for a condition that is asked again and again."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

from tests.stopwatch import Stopwatch

T = TypeVar("T")

ASK_EVERY_S: Final = 0.01
PATIENCE_S: Final = 120.0
"""Of a test where no time is promised: the machine may be busy with others."""


async def eventually(
    holds: Callable[[], T | Awaitable[T]], *, within_s: float | None = None, every_s: float = ASK_EVERY_S
) -> T:
    """Returns what `holds` answers once that is true.

    `within_s` is for what is promised in seconds, counted as a stopwatch does. Without it a test is patient.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    with contextlib.nullcontext() if within_s is None else Stopwatch() as watch:
        while True:
            answer = holds()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            if watch is None or within_s is None:
                assert loop.time() < until, f"did not come true within {PATIENCE_S:g} s"
            else:
                assert watch.seconds < within_s, f"did not come true within {within_s:g} s; {watch}"
            await asyncio.sleep(every_s)


@contextlib.asynccontextmanager
async def at_most(seconds: float) -> AsyncIterator[None]:
    """The block takes no longer, as a stopwatch counts: waits in it need no bound of their own."""
    with Stopwatch() as watch:
        async with asyncio.timeout(PATIENCE_S + seconds):
            yield
    assert watch.seconds < seconds, f"took {watch}"


@contextlib.asynccontextmanager
async def in_own_task(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave `context` in one task: fixtures are set up and torn down in different ones."""
    loop = asyncio.get_running_loop()
    entered: asyncio.Future[T] = loop.create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    holding = asyncio.create_task(hold(), name="held")
    await asyncio.wait((holding, entered), return_when=asyncio.FIRST_COMPLETED)
    if holding.done():
        holding.result()
    try:
        yield entered.result()
    finally:
        leave.set()
        await holding
