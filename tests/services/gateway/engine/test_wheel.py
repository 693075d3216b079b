"""One timer for many deadlines."""

from __future__ import annotations

import asyncio

from services.gateway.engine.wheel import Wheel
from tests.waiting import eventually

TICK_S = 0.005
TRIES = 10


async def test_members_are_due_in_time_and_again_as_they_ask() -> None:
    late = min([await how_late() for _ in range(TRIES)])  # any of them may be late for others' sake
    assert late < 4 * TICK_S


async def how_late() -> float:
    """How much later than asked for a member was due, at most. Fails where one was too early."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    rung: list[tuple[str, float]] = []

    def on_due(member: str) -> float | None:
        rung.append((member, loop.time() - start))
        return 0.02 if member == "again" and [name for name, _ in rung].count(member) < 3 else None

    wheel: Wheel[str] = Wheel(TICK_S, on_due)
    for member, after_s in (("late", 0.1), ("soon", 0.05), ("again", 0.01)):
        wheel.put(member, after_s)
    await eventually(lambda: len(rung) == 5)
    assert sorted(member for member, _ in rung) == ["again", "again", "again", "late", "soon"]
    when = dict(reversed(rung))
    late = {member: when[member] - after_s for member, after_s in (("again", 0.01), ("soon", 0.05), ("late", 0.1))}
    assert min(late.values()) >= -TICK_S
    return max(late.values())


async def test_a_stopped_wheel_lets_everybody_go() -> None:
    rung: list[int] = []

    def on_due(member: int) -> None:
        rung.append(member)

    wheel: Wheel[int] = Wheel(0.005, on_due)
    wheel.put(1, 0.01)
    wheel.stop()
    await asyncio.sleep(0.03)  # nothing may come, so there is nothing to wait for
    assert not rung
