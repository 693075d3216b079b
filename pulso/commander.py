"""Single commands to Redis, on a connection apart from the two of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pulso.resp import Connection, LinkDown

WITHIN_S: Final = 2.0
"""A connection, where there is none, and the answer."""

Open = Callable[[Callable[[Any], None], Callable[[], None]], Awaitable[Connection]]


class Commander:
    """Connected when it is first needed, by `open_`, and again after a loss."""

    def __init__(self, open_: Open) -> None:
        self._open = open_
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def ask(self, *words: str | bytes) -> Any:
        """One Redis command; its answer. Raises `LinkDown`."""
        try:
            async with asyncio.timeout(WITHIN_S):
                async with self._opening:
                    if self._connection is None:
                        self._connection = await self._open(lambda _: None, self.close)
                return await self._connection.ask(*(w.encode() if isinstance(w, str) else w for w in words))
        except (OSError, TimeoutError) as fault:
            self.close()
            raise LinkDown(str(fault) or "Redis did not answer in time") from fault

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
