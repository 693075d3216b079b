"""Becoming somebody, as a client does: what was not answered in time is asked again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

MAY_BE_TRIED_AGAIN: Final = (503, 504)
"""A busy machine is a reason for these where the test is about something else."""
AGAIN_S: Final = 0.1


@contextlib.asynccontextmanager
async def admitted(http: aiohttp.ClientSession, url: str, **how: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    """POST to an address that makes a guest or an account; its answer, whatever it is, once there is one."""
    may_be_done = False
    while True:
        async with http.post(url, **how) as answer:
            if answer.status == 504:
                may_be_done = True
            if answer.status == 409 and may_be_done and url.endswith("/register"):
                break
            if answer.status not in MAY_BE_TRIED_AGAIN:
                yield answer
                return
        await asyncio.sleep(AGAIN_S)
    how["json"] = {name: how["json"][name] for name in ("username", "password")}
    async with admitted(http, url.removesuffix("register") + "login", **how) as answer:
        yield answer
