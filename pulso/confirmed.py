"""Publications that somebody waits for: whether Redis has passed them on, or may not have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from pulso.redis_link import Publication, RedisLink

WITHIN_S: Final = 2.0


class Confirmed:
    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: set[asyncio.Future[bool]] = set()
        link.on_lost(self._lose)

    async def publish(self, messages: Iterable[tuple[bytes, bytes]]) -> bool:
        """Publish these at once, each `(channel, data)`; True once Redis has passed all of them on.

        False where it is away, was lost meanwhile, or does not answer: all, some or nothing was published then.
        """
        passed_on: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        left, is_sent = 0, False

        def on_count(_: int) -> None:
            nonlocal left
            left -= 1
            if not left and not passed_on.done():
                passed_on.set_result(is_sent)  # what the link refuses is counted before its `publish` returns

        publications = [Publication(channel, data, on_count) for channel, data in messages]
        left = len(publications)
        if not publications:
            return True
        self._waiting.add(passed_on)
        try:
            self._link.publish(publications)
            is_sent = True
            async with asyncio.timeout(WITHIN_S):
                return await passed_on
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(passed_on)

    def _lose(self) -> None:
        for passed_on in self._waiting:
            if not passed_on.done():
                passed_on.set_result(False)
