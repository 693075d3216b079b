"""Who counts as active, and that the memory of them is bounded."""

from __future__ import annotations

from services.numbers.active import ACTIVE_FOR_S, Active, Standing
from services.numbers.contract import BoardRow
from tests.ticking import Ticking


def test_users_leave_when_nothing_of_theirs_has_changed_for_a_while() -> None:
    clock = Ticking()
    active = Active(clock=clock)
    active.put("ana", Standing("Ana", 1, 1))
    active.put("rui", Standing("Rui", 2, 1))
    clock.seconds += 1
    active.put("ana", Standing("Ana", 3, 1))
    clock.seconds = ACTIVE_FOR_S
    assert {row.user for row in active.rows()} == {"Ana", "Rui"}
    clock.seconds += 1
    assert active.rows() == [BoardRow("Ana", 3, 1)]
    assert active.get("rui") is None
    clock.seconds += 1
    assert active.rows() == []


def test_longest_unchanged_user_makes_room_past_the_limit() -> None:
    active = Active(limit=2)
    for user in ("ana", "rui", "ana", "bruno"):
        active.put(user, Standing(user, 0, 1))
    assert {row.user for row in active.rows()} == {"ana", "bruno"}
