"""Who counts as active, and that the memory of them is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.numbers.active import ACTIVE_FOR, Active, Standing
from services.numbers.contract import BoardRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_users_leave_when_nothing_of_theirs_has_changed_for_a_while() -> None:
    active = Active()
    active.put("ana", Standing("Ana", 1, 1, NOON))
    active.put("rui", Standing("Rui", 2, 1, NOON))
    active.put("ana", Standing("Ana", 3, 1, NOON + SECOND))
    assert {row.user for row in active.rows(NOON + ACTIVE_FOR)} == {"Ana", "Rui"}
    assert active.rows(NOON + ACTIVE_FOR + SECOND) == [BoardRow("Ana", 3, 1)]
    assert active.get("rui") is None
    assert active.rows(NOON + ACTIVE_FOR + 2 * SECOND) == []


def test_longest_unchanged_user_makes_room_past_the_limit() -> None:
    active = Active(limit=2)
    for user in ("ana", "rui", "ana", "bruno"):
        active.put(user, Standing(user, 0, 1, NOON))
    assert {row.user for row in active.rows(NOON)} == {"ana", "bruno"}
