"""What requests to the API leave in the journal: every one of them, refused ones too, and never a secret.

A handler says who asked (`CALLER`) and what (`PAYLOAD`). That is private, and its size alone is kept, unless the
handler says otherwise (`IS_PRIVATE`): those of signing in do not.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from pulso.contract import ANONYMOUS, Caller
from services.gateway.journal import Journal

CALLER: Final = web.RequestKey("caller", Caller)
PAYLOAD: Final = web.RequestKey("payload", bytes)
IS_PRIVATE: Final = web.RequestKey("is_private", bool)

_API: Final = "/api/"
_MAX_NAME: Final = 100


class Heard:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def now(self) -> float:
        """Seconds since 1970."""
        return self._journal.now()

    def request(self, request: web.Request, outcome: str, at: float) -> None:
        """Record a request that is answered; `/api/numbers/set` stands there as `numbers:set`."""
        path = request.path
        if path.startswith(_API):
            name = path.removeprefix(_API)[:_MAX_NAME].replace("/", ":", 1)
            caller, payload = request.get(CALLER, ANONYMOUS), request.get(PAYLOAD, b"")
            private = request.get(IS_PRIVATE, True)
            self._journal.came_in(caller, name, payload, outcome, private=private, at=at)
