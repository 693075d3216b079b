"""What chat offers: rooms, messages that are numbered without holes, who is typing, and files.

A user is in one room at a time, with all connections. A connection follows the room once it has joined it itself,
or once another one of the user has changed room.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Surface, Topic
from pulso.uploads import Allowance, AskAllowance, StoredFile, StoredFiles

MAX_TEXT_CHARS: Final = 4_000
MAX_HISTORY: Final = 200
HISTORY: Final = 50
MAX_ANSWER_BYTES: Final = 256 * 1024
"""Of messages in one answer: who asks for the longest ones again and again must not fill Redis for all others."""

RoomId = Annotated[str, msgspec.Meta(max_length=64)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
MessageId = Annotated[
    str,
    # The length, too: `$` is also before a line feed at the end.
    msgspec.Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", max_length=36),
]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"id": "u_4kq...", "name": "Ana"}`"""

    id: str
    name: str


class Room(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A room, how many users are in it, and the `seq` of its last message: also from outside it is seen to go on.

    `{"id": "sala-1", "name": "Sala 1", "members": 2, "seq": 7}`
    """

    id: str
    name: str
    members: int
    seq: int


class Rooms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rooms, and the one that the caller is in: who opens a page enters that one, and moves no other tab.

    `{"rooms": [{"id": "sala-1", "name": "Sala 1", "members": 2, "seq": 7}], "current": "sala-1"}`
    """

    rooms: list[Room]
    current: str | None


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An uploaded file; `type` is what it was found to be, `size` is in bytes.

    `{"id": "chat-1f...", "name": "cat.png", "url": "/static/chat-1f....png", "type": "image/png", "size": 5120}`
    """

    id: str
    name: str
    url: str
    type: str
    size: int


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message. In each room `seq` is 1, 2, 3 and so on without holes; `at` is ISO-8601 UTC.

    `{"seq": 7, "id": "8b6...", "room": "sala-1", "author": {"id": "u_4kq...", "name": "Ana"}, "text": "olá",
    "files": [], "at": "2026-01-31T12:00:00.000Z"}`
    """

    seq: int
    id: str
    room: str
    author: Member
    text: str
    files: list[File]
    at: str


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"room": "sala-1"}`; whoever comes back names the last `seq` it has: `{"room": "sala-1", "after": 7}`."""

    room: RoomId
    after: Seq | None = None


class InRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The room as it is now: who is in it, its last messages or all those after `after`, and its last `seq`.

    With `gap` more were missed than come here: those before the first one are to be had from `chat:history`. There
    are fewer than the last 50 where these are too long for one answer.
    """

    room: str
    members: list[Member]
    messages: list[Message]
    seq: int
    gap: bool = False


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to the caller's room. The same `id` with the same content is the same message, sent once.

    An `id` in capitals is the same one, and comes back in small letters (RFC 9562, section 4).

    `{"id": "8b6a...", "text": "olá", "files": ["chat-1f..."]}`; with `"room": "sala-1"` it is refused where the
    caller has changed room meanwhile.
    """

    id: MessageId
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)] = ""
    files: Annotated[list[str], msgspec.Meta(max_length=1000)] = []
    room: RoomId | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "id", self.id.lower())


class Typing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"typing": true}`, every 3 s while it goes on: it counts for 6 s."""

    typing: bool


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `limit` messages before `before`, or from the end; with `after`, the first ones after it."""

    room: RoomId
    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY)] = HISTORY


class Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In the order of `seq`; `more` says whether there are further ones in the direction that was asked for.

    Very long messages may come a few at a time, before `limit` is reached.
    """

    messages: list[Message]
    more: bool


class Uploaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files of one upload, in its order, and their addresses alone."""

    files: list[File]
    links: list[str]


class CameOrWent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"room": "sala-1", "user": {"id": "u_4kq...", "name": "Ana"}}`"""

    room: str
    user: Member


class IsTyping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"room": "sala-1", "user": {"id": "u_4kq...", "name": "Ana"}, "typing": true}`"""

    room: str
    user: Member
    typing: bool


class Switched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"room": "sala-2"}`, or `{"room": null}` where the user is in no room any more."""

    room: str | None


ANA: Final = Member("u_4kq7wzc2n5d8", "Ana")
CAT: Final = File("chat-1f2e3d4c5b6a", "cat.png", "/static/chat-1f2e3d4c5b6a.png", "image/png", 5120)
HELLO: Final = Message(
    seq=7,
    id="8b6a1c9e-4d2f-4c3b-9a5e-7f1d2c3b4a59",
    room="sala-1",
    author=ANA,
    text="olá",
    files=[],
    at="2026-01-31T12:00:00.000Z",
)

ROOMS: Final = Endpoint(
    "chat:rooms",
    Nothing,
    Rooms,
    Access.USER,
    "The rooms.",
    reads=True,
    example=Example(Nothing(), Rooms([Room("sala-1", "Sala 1", 2, 7)], "sala-1")),
)
JOIN: Final = Endpoint(
    "chat:join",
    Join,
    InRoom,
    Access.USER,
    "Enter a room, with all connections, and leave the one before; or come back to it.",
    surface=Surface.SOCKET,
    example=Example(Join("sala-1"), InRoom("sala-1", [ANA], [HELLO], 7)),
)
LEAVE: Final = Endpoint(
    "chat:leave", Nothing, Nothing, Access.USER, "Leave the room, with all connections.", surface=Surface.SOCKET
)
SEND: Final = Endpoint(
    "chat:send",
    Send,
    Message,
    Access.USER,
    "Send a message to the room; the ack comes after the commit.",
    example=Example(Send(HELLO.id, HELLO.text), HELLO),
)
TYPING: Final = Endpoint(
    "chat:typing",
    Typing,
    Nothing,
    Access.USER,
    "Say that the caller is typing.",
    surface=Surface.SOCKET,
    example=Example(Typing(True), Nothing()),
)
HISTORY_OF: Final = Endpoint(
    "chat:history",
    History,
    Messages,
    Access.USER,
    "Messages of the caller's room.",
    reads=True,
    example=Example(History("sala-1", limit=20), Messages([HELLO], False)),
)
ALLOWANCE: Final = Endpoint(
    "chat:allowance",
    AskAllowance,
    Allowance,
    Access.USER,
    "How much the caller may upload.",
    surface=Surface.INTERNAL,
)
FILES: Final = Endpoint(
    "chat:files",
    StoredFiles,
    Uploaded,
    Access.USER,
    "Upload files for a message; those that none names within an hour are removed.",
    surface=Surface.UPLOAD,
    allowance=ALLOWANCE,
    example=Example(
        StoredFiles([StoredFile("chat-1f2e3d4c5b6a.png", CAT.name, CAT.type, CAT.size)]),
        Uploaded([CAT], [CAT.url]),
    ),
)

MISSED: Final = Endpoint(
    "chat:missed",
    Nothing,
    Nothing,
    Access.GUEST,
    "A connection may have missed that its user has left a room.",
    surface=Surface.INTERNAL,
    on_gap=True,
)

MESSAGE: Final = Event(
    "chat:message", Message, "A message, to everybody in the room, also to its author.", example=HELLO
)
JOINED: Final = Event(
    "chat:joined", CameOrWent, "A user has entered; to the others, once.", example=CameOrWent("sala-1", ANA)
)
LEFT: Final = Event(
    "chat:left",
    CameOrWent,
    "A user has left, or has been gone for a while; to the others, once.",
    example=CameOrWent("sala-1", ANA),
)
IS_TYPING: Final = Event(
    "chat:typing", IsTyping, "A user begins or ends typing; to the others.", example=IsTyping("sala-1", ANA, True)
)
SWITCHED: Final = Event(
    "chat:switched", Switched, "Another connection of the user has changed room.", example=Switched("sala-2")
)

ROOM_TOPICS: Final = "chat.room."
ROOM: Final = Topic(ROOM_TOPICS + "{room}", (MESSAGE, JOINED, LEFT, IS_TYPING))

CONTRACT: Final = Contract(
    service="chat",
    endpoints=(ROOMS, JOIN, SEND, TYPING, HISTORY_OF, LEAVE, ALLOWANCE, FILES, MISSED),
    topics=(ROOM,),
    events=(SWITCHED,),
)
