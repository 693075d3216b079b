"""Waiting in tests: for an event where there is one, else for a condition that is asked again and again."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

T = TypeVar("T")

ASK_EVERY_S: Final = 0.01
PATIENCE_S: Final = 30.0
"""Of a test where no time is promised: the machine may be busy with others."""


async def eventually(holds: Callable[[], T | Awaitable[T]], *, within_s: float = PATIENCE_S) -> T:
    """Returns what `holds` answers once that is true; fails after `within_s` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        answer = holds()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert loop.time() < until, f"did not come true within {within_s:g} s"
        await asyncio.sleep(ASK_EVERY_S)


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
