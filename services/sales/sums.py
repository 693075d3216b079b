"""The sums of the last day by minute and product, kept in memory as they were committed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from services.sales.contract import MAX_MINUTES, Figures, MinuteFigures, ProductFigures, Sale
from services.sales.rules import Taken, iso_of
from services.sales.store import Cell

MINUTE_MS: Final = 60_000
AHEAD_MINUTES: Final = 60
"""Sales that claim to be made later than this from now are not summed until the service starts anew."""
PRODUCTS_SHOWN: Final = 100
PRODUCTS_A_MINUTE: Final = 1_000
"""Beyond, all others of a minute are one: a source that invents products must not take all the memory."""

_OTHERS: Final = ("", "")

Product = tuple[str, str]


class Period(NamedTuple):
    totals: Figures
    series: list[MinuteFigures]
    products: list[ProductFigures]


class Sums:
    """For each minute its products, for each product (sales, quantity, cents)."""

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._minutes: dict[int, dict[Product, tuple[int, int, int]]] = {}
        for cell in cells:
            self._add(cell.minute, (cell.product, cell.category), (cell.sales, cell.quantity, cell.total_cents))

    def add(self, taken: Iterable[Taken], now_ms: int) -> None:
        """Count these, and forget what is older than a day."""
        now = now_ms // MINUTE_MS
        for sale, sold_ms in taken:
            minute = sold_ms // MINUTE_MS
            if now - MAX_MINUTES < minute <= now + AHEAD_MINUTES:
                self._add(minute, (sale.product, sale.category), (1, sale.quantity, sale.total_cents))
        for minute in [minute for minute in self._minutes if minute <= now - MAX_MINUTES]:
            del self._minutes[minute]

    def period(self, minutes: int, now_ms: int, *, without: Iterable[Taken] = ()) -> Period:
        """The last so many minutes up to the running one; `without` are records that are not to count yet."""
        end = now_ms // MINUTE_MS + 1
        by_minute = [(0, 0, 0)] * minutes
        by_product: dict[Product, tuple[int, int, int]] = {}

        def count(minute: int, product: Product, more: tuple[int, int, int]) -> None:
            place = minute - end + minutes
            if 0 <= place < minutes:
                by_minute[place] = _sum(by_minute[place], more)
                by_product[product] = _sum(by_product.get(product, (0, 0, 0)), more)

        for minute in range(end - minutes, end):
            for product, figures in self._minutes.get(minute, {}).items():
                count(minute, product, figures)
        for sale, sold_ms in without:
            minute = sold_ms // MINUTE_MS
            count(minute, self._known(minute, sale), (-1, -sale.quantity, -sale.total_cents))
        series = [
            MinuteFigures(iso_of((end - minutes + place) * MINUTE_MS), *figures)
            for place, figures in enumerate(by_minute)
        ]
        return Period(Figures(*map(sum, zip(*by_minute, strict=True))), series, _best(by_product))

    def _add(self, minute: int, product: Product, more: tuple[int, int, int]) -> None:
        products = self._minutes.setdefault(minute, {})
        if product not in products and len(products) >= PRODUCTS_A_MINUTE:
            product = _OTHERS
        products[product] = _sum(products.get(product, (0, 0, 0)), more)

    def _known(self, minute: int, sale: Sale) -> Product:
        product = (sale.product, sale.category)
        return product if product in self._minutes.get(minute, {}) else _OTHERS


def _best(by_product: dict[Product, tuple[int, int, int]]) -> list[ProductFigures]:
    """By what was paid, the best first; beyond `PRODUCTS_SHOWN` the others together, without a name."""
    others = by_product.pop(_OTHERS, (0, 0, 0))
    sold = [(product, figures) for product, figures in by_product.items() if figures[0]]
    sold.sort(key=lambda one: (-one[1][2], one[0]))
    for _, figures in sold[PRODUCTS_SHOWN:]:
        others = _sum(others, figures)
    rows = [ProductFigures(*product, *figures) for product, figures in sold[:PRODUCTS_SHOWN]]
    return [*rows, ProductFigures(*_OTHERS, *others)] if others[0] else rows


def _sum(ours: tuple[int, int, int], theirs: tuple[int, int, int]) -> tuple[int, int, int]:
    return ours[0] + theirs[0], ours[1] + theirs[1], ours[2] + theirs[2]
