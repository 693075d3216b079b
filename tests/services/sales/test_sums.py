"""Sums by minute and product: they add up, whatever was sold when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.sales.contract import MAX_MINUTES, Sale
from services.sales.rules import Taken, iso_of
from services.sales.store import Cell
from services.sales.sums import AHEAD_MINUTES, MINUTE_MS, PRODUCTS_A_MINUTE, PRODUCTS_SHOWN, Sums

NOW_MS = 1_770_000_000_000


def taken(ago_ms: int, product: str = "Café", cents: int = 100, quantity: int = 1) -> Taken:
    sold_ms = NOW_MS - ago_ms
    sale = Sale("id", iso_of(sold_ms), "Loja", "Ana", product, "Mercearia", quantity, cents, cents, "pix")
    return Taken(sale, sold_ms)


SALES = st.lists(
    st.builds(
        taken,
        st.integers(-3 * MINUTE_MS, (MAX_MINUTES + 10) * MINUTE_MS),
        st.sampled_from(["Café", "Pão", "Guaraná"]),
        st.integers(0, 10_000),
        st.integers(1, 5),
    ),
    max_size=40,
)
MINUTES = st.integers(1, MAX_MINUTES)


@given(SALES, MINUTES)
def test_minutes_and_products_add_up_to_the_totals_of_the_period(sales: list[Taken], minutes: int) -> None:
    sums = Sums()
    sums.add(sales, NOW_MS)
    totals, series, products = sums.period(minutes, NOW_MS)
    end = (NOW_MS // MINUTE_MS + 1) * MINUTE_MS
    inside = [sale for sale, sold_ms in sales if end - minutes * MINUTE_MS <= sold_ms < end]
    assert totals.sales == len(inside)
    assert totals.total_cents == sum(sale.total_cents for sale in inside)
    for rows in (series, products):
        assert sum(row.sales for row in rows) == totals.sales
        assert sum(row.quantity for row in rows) == totals.quantity
        assert sum(row.total_cents for row in rows) == totals.total_cents
    assert len(series) == minutes
    assert series[-1].at == iso_of(end - MINUTE_MS)
    assert products == sorted(products, key=lambda row: (-row.total_cents, row.product))


@given(SALES, SALES, MINUTES)
def test_what_is_not_to_count_yet_is_as_if_it_had_not_been_sold(
    told: list[Taken], untold: list[Taken], minutes: int
) -> None:
    sums, before = Sums(), Sums()
    before.add(told, NOW_MS)
    sums.add([*told, *untold], NOW_MS)
    kept = [one for one in untold if one.sold_ms // MINUTE_MS > NOW_MS // MINUTE_MS - MAX_MINUTES]
    assert sums.period(minutes, NOW_MS, without=kept) == before.period(minutes, NOW_MS)


def test_what_was_stored_before_counts_as_if_it_had_just_come() -> None:
    minute = NOW_MS // MINUTE_MS
    sums = Sums([Cell(minute, "Café", "Mercearia", 2, 3, 500), Cell(minute - 1, "Pão", "Padaria", 1, 1, 90)])
    sums.add([taken(0, cents=100)], NOW_MS)
    totals, _, products = sums.period(1, NOW_MS)
    assert (totals.sales, totals.quantity, totals.total_cents) == (3, 4, 600)
    assert [row.product for row in products] == ["Café"]


def test_a_day_is_remembered_and_no_more() -> None:
    sums = Sums()
    sums.add([taken(0)], NOW_MS)
    day_ms = MAX_MINUTES * MINUTE_MS
    assert sums.period(MAX_MINUTES, NOW_MS + day_ms - MINUTE_MS).totals.sales == 1
    sums.add([], NOW_MS + day_ms)
    assert sums._minutes == {}


def test_a_sale_of_tomorrow_does_not_stay_in_memory() -> None:
    sums = Sums()
    sums.add([taken(-(AHEAD_MINUTES + 1) * MINUTE_MS)], NOW_MS)
    assert sums._minutes == {}


def test_many_products_are_cut_to_the_best_and_all_others() -> None:
    sums = Sums()
    sums.add([taken(0, f"P{number}", cents=number) for number in range(PRODUCTS_SHOWN + 50)], NOW_MS)
    totals, _, products = sums.period(1, NOW_MS)
    assert len(products) == PRODUCTS_SHOWN + 1
    assert (products[-1].product, products[-1].sales) == ("", 50)
    assert sum(row.total_cents for row in products) == totals.total_cents


def test_a_source_that_invents_products_cannot_take_all_the_memory() -> None:
    sums = Sums()
    invented = [taken(0, f"P{number}") for number in range(PRODUCTS_A_MINUTE + 500)]
    sums.add(invented, NOW_MS)
    assert len(sums._minutes[NOW_MS // MINUTE_MS]) <= PRODUCTS_A_MINUTE + 1
    assert sums.period(1, NOW_MS).totals.sales == len(invented)
    assert sums.period(1, NOW_MS, without=invented).totals.sales == 0
