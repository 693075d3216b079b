"""The people who are here, in memory as they were committed: each once, in order, to be searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pulso.connections import OpenConnection
from pulso.contract import Kind
from services.presence.contract import ListPeople, People, Person, PersonHere
from services.presence.rules import folded, iso
from services.presence.store import PersonRow


@dataclass(slots=True, eq=False)
class Here:
    """Somebody who is here, with the gateway of each connection."""

    id: str
    name: str
    kind: Kind
    since: str
    told: bool
    gateways: dict[str, str] = field(default_factory=dict)
    folded_name: str = field(init=False)

    def __post_init__(self) -> None:
        self.folded_name = folded(self.name)

    def row(self) -> PersonRow:
        return PersonRow(self.id, self.name, self.kind, self.since, self.told)

    def person(self) -> Person:
        return Person(self.id, self.name, self.kind)

    def shown(self) -> PersonHere:
        gateways = sorted(set(self.gateways.values()))
        return PersonHere(self.id, self.name, self.kind, self.since, len(self.gateways), gateways)


def newcomer(connection: OpenConnection) -> Here:
    return Here(connection.user, connection.name, connection.kind, iso(connection.since_ms), told=False)


class Everybody:
    def __init__(self, people: Iterable[Here]) -> None:
        self._people = {here.id: here for here in people}
        self._in_order: list[Here] | None = None

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, user: str) -> bool:
        return user in self._people

    def get(self, user: str) -> Here | None:
        return self._people.get(user)

    def add(self, here: Here) -> None:
        self._people[here.id] = here
        self._in_order = None

    def remove(self, user: str) -> Here | None:
        self._in_order = None
        return self._people.pop(user, None)

    def rename(self, here: Here, name: str, kind: Kind) -> None:
        """As the latest connection says."""
        if (here.name, here.kind) != (name, kind):
            here.name, here.kind, here.folded_name = name, kind, folded(name)
            self._in_order = None

    def listed(self, request: ListPeople) -> People:
        if self._in_order is None:
            self._in_order = sorted(self._people.values(), key=lambda here: (here.folded_name, here.id))
        found, wanted = self._in_order, folded(request.search)
        if wanted:
            found = [here for here in found if wanted in here.folded_name]
        return People([here.shown() for here in found[: request.limit]], len(found))
