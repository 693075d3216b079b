"""What is done about each call."""

from __future__ import annotations

from pulso.contract import Caller, Nothing
from pulso.routes import Routes
from services.presence import contract
from services.presence.contract import ListPeople, People
from services.presence.presence import Presence

routes = Routes[Presence]()


@routes.handler(contract.LIST)
async def list_people(presence: Presence, _caller: Caller, request: ListPeople) -> People:
    """`{}` -> `{"users": [{"id", "name", "kind", "since", "connections", "gateways"}, ...], "total": 2}`."""
    return presence.listed(request)


@routes.handler(contract.WATCH)
async def watch(presence: Presence, caller: Caller, request: ListPeople) -> People:
    """As `presence:list`; what changes after it is told."""
    return await presence.watch(caller, request)


@routes.handler(contract.UNWATCH)
async def unwatch(presence: Presence, caller: Caller, _request: Nothing) -> Nothing:
    await presence.unwatch(caller)
    return Nothing()
