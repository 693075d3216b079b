"""What a server may hold of a client's number, by what it acknowledged and what is in doubt."""

from __future__ import annotations

from collections.abc import Container


class Promise:
    """One number of one client. Asks are numbered upwards.

    `in_order` says that the server works asks off in the order in which they were sent, so that an acknowledged
    one undoes all before it. Without that, of two that were under way together either may have come last.
    """

    __slots__ = ("_asked", "_given_up_at", "_held", "_in_order", "_last_ask", "_last_grant")

    def __init__(self, number: int, *, in_order: bool) -> None:
        self._held: tuple[int, ...] = (number,)
        self._in_order = in_order
        self._asked: dict[int, Container[int]] = {}
        """What was asked for and not (certainly) answered: what it may have made of the number."""
        self._given_up_at: dict[int, int] = {}
        """Of those, the ones to which no answer is to be expected any more: the last ask at the time."""
        self._last_ask = self._last_grant = 0

    def ask(self, ask: int, outcomes: Container[int]) -> None:
        """A change is sent that will make the number one of these."""
        self._asked[ask] = outcomes
        self._last_ask = ask

    def grant(self, ask: int, number: int) -> None:
        """It was acknowledged: the server holds this number now, unless something that is in doubt came later."""
        if self._asked.pop(ask, None) is None:
            return  # a later one was acknowledged before it
        if self._asked:  # rarely
            self._asked = {other: asked for other, asked in self._asked.items() if not self._is_undone(other, ask)}
            self._given_up_at = {other: at for other, at in self._given_up_at.items() if other in self._asked}
        if ask > self._last_grant:
            self._held = (number,)
            self._last_grant = ask
        elif number not in self._held:  # a later one was acknowledged before it, while both were under way
            self._held += (number,)

    def refuse(self, ask: int) -> None:
        """It was certainly not done."""
        self._asked.pop(ask, None)

    def doubt(self, ask: int) -> None:
        """It was answered, but may have been done or not."""
        if ask in self._asked:
            self._given_up_at[ask] = self._last_ask

    def doubt_all(self) -> None:
        """The connection is lost: no ask that is under way will be answered."""
        for ask in self._asked:
            self._given_up_at.setdefault(ask, self._last_ask)

    def allows(self, number: int) -> bool:
        """Whether a server that keeps its promises may tell this number."""
        return number in self._held or any(number in outcomes for outcomes in self._asked.values())

    def __str__(self) -> str:
        held = " or ".join(map(str, sorted(self._held)))
        return f"{held}, {len(self._asked)} in doubt" if self._asked else held

    def settle(self, number: int) -> None:
        """The server told its number. What is in doubt may still be done."""
        self._held = (number,)

    def _is_undone(self, ask: int, by: int) -> bool:
        if self._in_order:
            return ask < by
        given_up_at = self._given_up_at.get(ask)
        return given_up_at is not None and given_up_at < by
