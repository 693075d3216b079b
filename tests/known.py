"""A gateway that is ready knows of a service once it has read its manifest, which may be a moment later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aiohttp

from tests.waiting import eventually

SERVICES: Final = ("auth", "presence", "numbers", "chat", "sales", "clock", "journal", "ops")


def all_in(document: str, services: Iterable[str]) -> bool:
    """Whether an OpenAPI document has all of these."""
    return all(f'"/api/{service}/' in document for service in services)


async def knows(url: str, services: Iterable[str]) -> None:
    """Returns once the gateway at this address routes to these: until then it answers `not_found`."""

    async def documented() -> bool:
        async with http.get(f"{url}/api/openapi.json") as answer:
            return all_in(await answer.text(), services)

    async with aiohttp.ClientSession() as http:
        await eventually(documented)
