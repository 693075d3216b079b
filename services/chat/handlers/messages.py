"""Messages: sending them, in batches that share a commit, and looking back."""

from __future__ import annotations

from collections.abc import Sequence

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.routes import Asked
from services.chat import contract, rules
from services.chat.contract import History, Member, Message, Messages, Send
from services.chat.handlers.routes import routes
from services.chat.rules import Wanted
from services.chat.state import Chat


@routes.batch_handler(contract.SEND)
async def send(chat: Chat, calls: Sequence[Asked[Send]]) -> Sequence[Message | ServiceError]:
    """`{"id": "8b6a...", "text": "olá"}` -> the message, committed; then the room is told.

    The same again gets the same answer and tells nobody. Another content, or another user's id, is `conflict`.
    """
    checked = [_checked(chat, caller, request) for caller, request in calls]
    wanted = [one for one in checked if isinstance(one, Wanted)]
    if not wanted:
        return [one for one in checked if isinstance(one, ServiceError)]
    posting = await chat.store.post(wanted, rules.milliseconds(chat.now()))
    # From here on nothing waits, so that messages are remembered and told in the order of their numbers.
    chat.rooms.add(posting.new)
    for message in posting.new:
        chat.typists.end(message.author.id)
    chat.outbox.put(posting.new)
    answers = iter(posting.answers)
    return [next(answers) if isinstance(one, Wanted) else one for one in checked]


@routes.handler(contract.HISTORY_OF)
async def history(chat: Chat, caller: Caller, request: History) -> Messages:
    """`{"room": "sala-1", "before": 51}` -> `{"messages": [...], "more": true}`"""
    room = chat.rooms.get(request.room)
    if room is None:
        raise ServiceError("not_found", "There is no such room.")
    if chat.rooms.of(caller.id) is not room:
        raise ServiceError("forbidden", "You are not in that room. Join it first.")
    # One more than is asked for says whether there are more.
    found = await chat.store.history(room.id, before=request.before, after=request.after, limit=request.limit + 1)
    if request.after is None:
        messages = rules.newest(found[-request.limit :])
    else:
        messages = rules.oldest(found[: request.limit])
    return Messages(messages, len(messages) < len(found))


def _checked(chat: Chat, caller: Caller, request: Send) -> Wanted | ServiceError:
    try:
        rules.check_content(request, max_files=chat.settings.chat_message_files)
    except ServiceError as error:
        return error
    room = chat.rooms.of(caller.id)
    is_there = room is not None and request.room in (None, room.id)
    author = Member(caller.id, caller.name)
    return Wanted(request.id, room.id if room and is_there else None, author, request.text, tuple(request.files))
