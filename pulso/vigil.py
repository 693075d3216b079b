"""Calls that nobody is left to answer are given up before their deadline.

What a process had in hand when it was killed is lost with it. Redis knows at once that nobody listens to its inbox
any more, and counts listeners with every publication: so where a call goes unanswered for a while, an empty batch
asks whether anybody is there. An instance that is asked to stop leaves its inbox, too, and answers what it has in
hand: it is given until the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from functools import partial
from typing import Final

LOOK_EVERY_S: Final = 0.5
"""Between two calls of `Vigil.look`: a call is given up at the third after its service was killed."""

Count = Callable[[str, Callable[[int], None]], None]
GiveUp = Callable[[int], None]


@dataclass(slots=True)
class _Asked:
    """What one channel was asked, by batches of ids: in hand at the last look, and since."""

    waiting: list[list[int]] = field(default_factory=list)
    new: list[list[int]] = field(default_factory=list)
    is_deserted: bool = False


class Vigil:
    """`pending` knows the ids that are not answered yet, `count` asks how many listen to a channel.

    It costs one list a batch, and nothing on the bus as long as all is answered within `LOOK_EVERY_S`.
    """

    def __init__(self, pending: Container[int], count: Count, give_up: GiveUp) -> None:
        self._pending = pending
        self._count = count
        self._give_up = give_up
        self._channels: dict[str, _Asked] = {}

    def sent(self, channel: str, ids: list[int]) -> None:
        asked = self._channels.get(channel)
        if asked is None:
            asked = self._channels[channel] = _Asked()
        asked.new.append(ids)

    def look(self) -> None:
        """Ask after each channel that owes answers since the last look."""
        for channel, asked in list(self._channels.items()):
            owing = self._open(asked.waiting)
            if owing:
                self._count(channel, partial(self._counted, asked, owing))
            else:
                asked.is_deserted = False
            asked.waiting, asked.new = owing + self._open(asked.new), []
            if not asked.waiting:
                del self._channels[channel]

    def _counted(self, asked: _Asked, owing: list[list[int]], count: int) -> None:
        if count == 0 and asked.is_deserted:
            for batch in owing:
                for id_ in batch:
                    self._give_up(id_)
        asked.is_deserted = count == 0

    def _open(self, batches: list[list[int]]) -> list[list[int]]:
        pending = self._pending
        return [batch for batch in batches if any(id_ in pending for id_ in batch)]
