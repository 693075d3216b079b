"""The official Python client, as tests want it: it gives up once, and late."""

from __future__ import annotations

from typing import Any

import socketio

from tests.waiting import PATIENCE_S


class PatientClient(socketio.AsyncClient):  # type: ignore[misc]
    """Never reconnects by itself, and waits longer than a second for the answer to its CONNECT."""

    def __init__(self, **how: Any) -> None:
        super().__init__(reconnection=False, **how)

    async def connect(self, url: str, **how: Any) -> None:
        await super().connect(url, wait_timeout=PATIENCE_S, **how)

    async def call(self, event: str, data: Any = None, **how: Any) -> Any:
        return await super().call(event, data, **{"timeout": PATIENCE_S, **how})
