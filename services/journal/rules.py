"""Pure rules of the journal: which batch is due, what a request asks for, how a message is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from pulso.errors import ServiceError
from pulso.times import iso
from services.journal.contract import Message, MessagesRequest
from services.journal.rows import Filters, Row, shown

Verdict = Literal["due", "known", "early"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def verdict(number: int, previous: int, committed: int) -> Verdict:
    """What to do with a batch: store it, or it is stored already, or one before it is missing and will come again.

    So each gateway's batches are stored in their order and once, whatever was lost or sent twice on the way.
    """
    if number <= committed:
        return "known"
    return "due" if previous <= committed else "early"


def filters_of(request: MessagesRequest) -> Filters:
    """Raises `ServiceError("bad_request")` for times that are none."""
    return Filters(
        user=request.user,
        event=request.event,
        is_in=None if request.direction is None else request.direction == "in",
        outcome=request.outcome,
        text=request.text,
        since_ms=_ms("since", request.since),
        until_ms=_ms("until", request.until),
    )


def message_of(row: Row) -> Message:
    return Message(
        seq=row.seq,
        at=iso(datetime.fromtimestamp(row.at_ms / 1000, UTC)),
        gateway=row.gateway,
        connection=row.connection,
        user=row.user_id,
        direction="in" if row.is_in else "out",
        event=row.event,
        outcome=row.outcome,
        recipients=row.recipients,
        payload=shown(row.payload),
        size=row.size,
        name=row.name,
    )


def _ms(name: str, text: str) -> int | None:
    """A time without a zone is UTC."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round((at - _EPOCH).total_seconds() * 1000)
    except (ValueError, OverflowError):
        raise ServiceError("bad_request", f"{name} is no time, as in 2026-01-31T12:00:00Z.") from None
