"""What chat's handlers work with, how it is opened and closed, and what it does when connections come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from pulso.attendance import Attendance, attending
from pulso.connections import OpenConnection
from pulso.errors import ServiceError
from pulso.party import running
from pulso.push import Push
from pulso.shard import Context
from pulso.store import open_store
from pulso.tasks import Tasks
from services.chat import contract
from services.chat.contract import IsTyping, Member
from services.chat.files import Files
from services.chat.membership import Membership
from services.chat.outbox import Outbox
from services.chat.rooms import OpenRoom, Rooms
from services.chat.store import MIGRATIONS, ChatStore, FileStore
from services.chat.typists import Typists
from services.settings import ChatSettings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Chat:
    settings: ChatSettings
    store: ChatStore
    rooms: Rooms
    outbox: Outbox
    typists: Typists
    membership: Membership
    files: Files
    attendance: Attendance
    now: Callable[[], datetime]

    def expect(self, user: str) -> None:
        """The user is in a room: without a connection that anybody hears of, only for as long as the grace."""
        if not self.attendance.is_there(user):
            self.attendance.remember([user], asyncio.get_running_loop().time())


class Absence:
    """What is done when connections close: typing ends with its connection, being in a room with the last one."""

    def __init__(self, membership: Membership, typists: Typists, tasks: Tasks) -> None:
        self._membership = membership
        self._typists = typists
        self._tasks = tasks
        self.attendance: Attendance | None = None

    def opened(self, connection: OpenConnection) -> None:
        """It follows a room once it has joined one."""

    def closed(self, connection: OpenConnection) -> None:
        self._typists.connection_closed(connection.user, connection.id)

    def left(self, user: str) -> None:
        self._tasks.spawn(self._gone(user), "gone")

    async def _gone(self, user: str) -> None:
        attendance = self.attendance
        assert attendance is not None, "nobody leaves before it begins"
        try:
            await self._membership.gone(user, lambda: attendance.is_there(user))
        except ServiceError as error:
            log.warning("a member who has gone is still listed", code=error.code)
            attendance.remember([user], asyncio.get_running_loop().time())


@contextlib.asynccontextmanager
async def open_chat(context: Context, settings: ChatSettings) -> AsyncIterator[Chat]:
    push, now = context.push, context.now
    async with open_store(context.file("chat"), migrations=MIGRATIONS) as opened, Tasks() as tasks:
        store = ChatStore(opened)
        kept = await store.load(settings.chat_rooms)
        outbox = Outbox(store, push, kept.unpublished)
        rooms = Rooms(kept)
        typists = Typists(lambda room, member, typing: _tell_typing(push, room, member, typing=typing))
        membership = Membership(rooms, store, push, outbox, typists, now=now)
        files = Files(FileStore(opened), settings, prefix=kept.prefix, now=now)
        absence = Absence(membership, typists, tasks)
        await outbox.publish()  # what was left over, before anybody joins, and before anything new
        async with (
            running(outbox.keep_publishing(), outbox.keep_marking(), files.keep_sweeping()),
            attending(context.bus, absence, grace_s=settings.grace_seconds, known=rooms.users()) as attendance,
        ):
            absence.attendance = attendance
            yield Chat(settings, store, rooms, outbox, typists, membership, files, attendance, now)
        typists.end_all()
        await outbox.publish()
        await outbox.mark()


def _tell_typing(push: Push, room: OpenRoom, member: Member, *, typing: bool) -> None:
    told = IsTyping(room.id, member, typing)
    push.to_topic(room.topic, contract.IS_TYPING, told, skip_user=member.id)
