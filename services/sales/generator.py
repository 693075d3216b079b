"""Believable sales: which goods, where, by whom, how paid. A seed repeats what they say, never their ids."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from pulso.times import iso
from services.sales.catalogue import (
    FAMILY_NAMES,
    GIVEN_NAMES,
    PAYMENTS,
    PRODUCTS,
    SELLERS_A_STORE,
    STORES,
)  # fmt: skip
from services.sales.contract import Sale
from services.sales.uuid7 import Uuid7

_STAFF_SEED: Final = "the same people work in a shop today and tomorrow"


class Generator:
    """Makes one sale after the other, all of them different. `chance` decides what is sold, never the ids."""

    def __init__(self, chance: random.Random, now: Callable[[], datetime], ids: Uuid7 | None = None) -> None:
        self._chance = chance
        self._now = now
        self._ids = ids or Uuid7()
        self._staff = _staff()

    def sale(self) -> Sale:
        chance = self._chance
        store = _weighed(chance, STORES)
        product = chance.choices(PRODUCTS, weights=[product.weight for product in PRODUCTS])[0]
        # Most people buy one; few buy as many as anybody does.
        quantity = 1 + int((product.most) * chance.random() ** 3)
        return Sale(
            id=self._ids.make(),
            sold_at=iso(self._now()),
            store=store,
            seller=chance.choice(self._staff[store]),
            product=product.name,
            category=product.category,
            quantity=quantity,
            unit_price_cents=product.price_cents,
            total_cents=quantity * product.price_cents,
            payment=_weighed(chance, PAYMENTS),
        )

    def line(self) -> bytes:
        """A sale as a line of JSON in UTF-8, with its newline."""
        return msgspec.json.encode(self.sale()) + b"\n"


def _weighed(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def _staff() -> dict[str, list[str]]:
    """Who works where."""
    chance = random.Random(_STAFF_SEED)  # noqa: S311  # names, not secrets
    names = [f"{given} {family}" for given in GIVEN_NAMES for family in FAMILY_NAMES]
    chance.shuffle(names)
    return {store: [names.pop() for _ in range(SELLERS_A_STORE)] for store in STORES}
