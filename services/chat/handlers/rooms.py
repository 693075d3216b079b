"""Rooms: which there are, entering and leaving one, and who is typing there."""

from __future__ import annotations

from collections.abc import Sequence

from pulso.contract import Caller, Nothing
from pulso.errors import ServiceError
from pulso.routes import Asked
from services.chat import contract
from services.chat.contract import InRoom, Join, Member, Rooms, Typing
from services.chat.handlers.routes import routes
from services.chat.rooms import OpenRoom
from services.chat.state import Chat


@routes.handler(contract.ROOMS)
async def rooms(chat: Chat, caller: Caller, _request: Nothing) -> Rooms:
    """`{}` -> `{"rooms": [{"id": "sala-1", "name": "Sala 1", "members": 2, "seq": 7}], "current": "sala-1"}`"""
    current = chat.rooms.of(caller.id)
    return Rooms([room.shown() for room in chat.rooms.all()], current.id if current else None)


@routes.handler(contract.JOIN)
async def join(chat: Chat, caller: Caller, request: Join) -> InRoom:
    """`{"room": "sala-1"}` -> `{"room": "sala-1", "members": [...], "messages": [...], "seq": 7}`

    The connection follows the room before the messages are taken: one that is sent meanwhile may come twice, here
    and as `chat:message`, with the same `seq`; none is missing.
    """
    joined = await chat.membership.join(caller, request.room, after=request.after)
    chat.expect(caller.id)
    return joined


@routes.handler(contract.LEAVE)
async def leave(chat: Chat, caller: Caller, _request: Nothing) -> Nothing:
    await chat.membership.leave(caller)
    return Nothing()


@routes.batch_handler(contract.MISSED)
async def missed(chat: Chat, calls: Sequence[Asked[Nothing]]) -> Sequence[Nothing]:
    """What its user's leaving would have done to a connection is done again: nothing is read in two rooms."""
    for user in {caller.id for caller, _ in calls}:
        chat.membership.put_right(user)
    return [Nothing()] * len(calls)


@routes.handler(contract.TYPING)
async def typing(chat: Chat, caller: Caller, request: Typing) -> Nothing:
    room = room_of(chat, caller)
    if request.typing:
        chat.typists.begin(Member(caller.id, caller.name), room, caller.connection)
    else:
        chat.typists.end(caller.id)
    return Nothing()


def room_of(chat: Chat, caller: Caller) -> OpenRoom:
    """Raises `ServiceError("forbidden")` for who is in none."""
    room = chat.rooms.of(caller.id)
    if room is None:
        raise ServiceError("forbidden", "You are not in a room. Join one first.")
    return room
