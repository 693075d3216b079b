"""One timer for many deadlines."""

from __future__ import annotations

import asyncio

from services.gateway.engine.wheel import Wheel
from tests.waiting import eventually


async def test_members_are_due_in_time_and_again_as_they_ask() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    rung: list[tuple[str, float]] = []

    def on_due(member: str) -> float | None:
        rung.append((member, loop.time() - start))
        return 0.02 if member == "again" and [name for name, _ in rung].count(member) < 3 else None

    wheel: Wheel[str] = Wheel(0.005, on_due)
    for member, after_s in (("late", 0.1), ("soon", 0.05), ("again", 0.01)):
        wheel.put(member, after_s)
    await eventually(lambda: len(rung) == 5)
    assert sorted(member for member, _ in rung) == ["again", "again", "again", "late", "soon"]
    when = dict(reversed(rung))
    assert 0.005 <= when["again"] <= 0.03
    assert 0.045 <= when["soon"] <= 0.07
    assert 0.095 <= when["late"] <= 0.13


async def test_a_stopped_wheel_lets_everybody_go() -> None:
    rung: list[int] = []

    def on_due(member: int) -> None:
        rung.append(member)

    wheel: Wheel[int] = Wheel(0.005, on_due)
    wheel.put(1, 0.01)
    wheel.stop()
    await asyncio.sleep(0.03)  # nothing may come, so there is nothing to wait for
    assert not rung
