"""What is done about each call."""

from __future__ import annotations

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.routes import Routes
from services.journal import contract
from services.journal.contract import Messages, MessagesRequest
from services.journal.journal import Journal
from services.journal.rules import filters_of

routes = Routes[Journal]()


@routes.handler(contract.MESSAGES)
async def messages(journal: Journal, _caller: Caller, request: MessagesRequest) -> Messages:
    """`{"event": "chat:*"}` -> `{"messages": [...], "next": 812}`"""
    if request.after is not None and request.before is not None and request.before <= request.after:
        raise ServiceError("bad_request", "Nothing is after `after` and before `before`.")
    return await journal.page(filters_of(request), after=request.after, before=request.before, limit=request.limit)
