"""What the journal offers: every message between clients and gateways, to admins."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from pulso.contract import Access, Contract, Endpoint, Example

MAX_PAGE: Final = 500

Seq = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Moment = Annotated[str, msgspec.Meta(max_length=40)]
Direction = Literal["in", "out"]


class MessagesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"user": "u_4kq", "event": "chat:*", "direction": "in", "outcome": "ok", "text": "hello", "limit": 50}`

    Every filter narrows further. `user` is an id or a whole name; `event` a name, or its beginning and `*`, and
    with `!` in front all others; `outcome` is `ok`, a code, or `!ok` for everything refused; `text` stands in the
    payload, letters A to Z in either case; `since` and `until` are ISO-8601 times, the second one excluded.

    Without `after` the newest messages come first, and `before` is the `next` of the page before. With `after` (a
    `seq`, or the `next` of the page before) they come as they were stored, the oldest first.
    """

    user: Text = ""
    event: Text = ""
    direction: Direction | None = None
    outcome: Text = ""
    text: Text = ""
    since: Moment = ""
    until: Moment = ""
    after: Seq | None = None
    before: Seq | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 100


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message, or one broadcast of a gateway with its `recipients`.

    `{"seq": 812, "at": "2026-01-31T12:00:00.000Z", "gateway": "gw-1f2e3d4c", "connection": "kQ3...",
    "user": "u_4kq", "direction": "in", "event": "numbers:set", "outcome": "ok", "recipients": 1,
    "payload": {"value": 37}, "size": 12, "name": "Ana"}`

    `payload` is JSON as it was sent, or a text where that was no JSON, or null where it is not kept: private,
    secret or large. `size` is in bytes, as sent. `connection`, `user` and `name` are empty where they are many or
    unknown. Beside events there are `connect` and `disconnect` (with the reason) and `malformed`.
    """

    seq: int
    at: str
    gateway: str
    connection: str
    user: str
    direction: Direction
    event: str
    outcome: str
    recipients: int
    payload: msgspec.Raw
    size: int
    name: str


class Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`next` is where to go on, null at the end. A page may be short of `limit`, or empty, and yet not the last:
    a search that takes long is answered in parts."""

    messages: list[Message]
    next: int | None


SET: Final = Message(
    seq=812,
    at="2026-01-31T12:00:00.000Z",
    gateway="gw-1f2e3d4c",
    connection="kQ3vX9aLm2Rt5YzBAAAB",
    user="u_4kq7wzc2n5d8",
    direction="in",
    event="numbers:set",
    outcome="ok",
    recipients=1,
    payload=msgspec.Raw(b'{"value":37}'),
    size=12,
    name="Ana",
)

MESSAGES: Final = Endpoint(
    "journal:messages",
    MessagesRequest,
    Messages,
    Access.ADMIN,
    "Every message between clients and gateways: filtered, in pages, the newest first.",
    reads=True,
    example=Example(MessagesRequest(event="numbers:*", direction="in", limit=1), Messages([SET], 811)),
)

CONTRACT: Final = Contract(service="journal", endpoints=(MESSAGES,))
