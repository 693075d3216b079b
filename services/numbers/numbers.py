"""The state of one shard: stored numbers, active users, and the way a change takes: commit, remember, tell."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from pulso.contract import Caller
from pulso.push import Push
from services.numbers import contract
from services.numbers.active import Active, Standing
from services.numbers.contract import ValueAndStep
from services.numbers.rules import BEGINNING
from services.numbers.store import LastNumbers
from services.numbers.worker import Worker


class Change(msgspec.Struct, frozen=True):
    """A caller's new value, or new step."""

    caller: Caller
    number: int


class Numbers:
    def __init__(
        self,
        last: LastNumbers,
        active: Active,
        push: Push,
        worker: Worker,
        *,
        chance: random.Random,
        now: Callable[[], datetime],
    ) -> None:
        self.push = push
        self.worker = worker
        self.chance = chance
        self._last = last
        self._active = active
        self._now = now

    async def standings(self, users: Collection[str]) -> dict[str, ValueAndStep]:
        """Where these users stand, as committed."""
        held = self._held(users)
        unknown = [user for user in users if user not in held]
        found = await self._last.read(unknown) if unknown else {}
        return {user: self._told(user, held) or found.get(user, BEGINNING) for user in users}

    async def change(self, what: Literal["value", "step"], changes: Sequence[Change]) -> None:
        """Commit these changes together, the later ones of a user winning; then tell the users' other connections.

        Returns after the commit. Raises `ServiceError("unavailable")` where nothing could be stored.
        """
        # Of several changes of one user only the last is stored and told: the others were never to be seen.
        final = {change.caller.id: change for change in changes}
        held = self._held(final)
        unknown = [user for user in final if user not in held]
        save = self._last.save_values if what == "value" else self._last.save_steps
        numbers = {user: change.number for user, change in final.items()}
        found = await save(numbers, self._now(), and_read=unknown)
        # From here on nothing waits, so that changes are remembered and told in the order of their commits.
        active, is_value = self._active, what == "value"
        told: list[tuple[Caller, ValueAndStep]] = []
        for user, change in final.items():
            caller = change.caller
            standing = active.get(user) or held.get(user) or _stored(found[user])
            standing.name = caller.name
            if is_value:
                standing.value = change.number
            else:
                standing.step = change.number
            active.put(user, standing)
            told.append((caller, standing.told()))
        self.push.to_others(contract.VALUE, told)

    def _held(self, users: Collection[str]) -> dict[str, Standing]:
        """Those of the users who are active. Whoever waits holds on to them: they may be forgotten meanwhile."""
        return {user: standing for user in users if (standing := self._active.get(user)) is not None}

    def _told(self, user: str, held: Mapping[str, Standing]) -> ValueAndStep | None:
        standing = self._active.get(user) or held.get(user)
        return standing.told() if standing is not None else None


def _stored(stored: ValueAndStep) -> Standing:
    return Standing("", stored.value, stored.step)
