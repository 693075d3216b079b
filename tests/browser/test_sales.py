"""The sales page in a real browser: it moves as sales come, and all its figures agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from pulso.times import iso
from tests.browser.conftest import OpenBrowser
from tests.conftest import Stack, run_stack
from tests.services.sales.made import append, sale

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def quiet() -> Iterator[Stack]:
    """A Pulso to which nobody has sold anything."""
    yield from run_stack(PULSO_SALES_GENERATOR="off")


def sell(stack: Stack, count: int = 1, **fields: object) -> None:
    now = iso(datetime.now(UTC))
    append(stack.data / "sales.jsonl", *(sale(sold_at=now, **fields) for _ in range(count)))


async def opened(stack: Stack, open_browser: OpenBrowser, **options: object) -> Page:
    page = await (await open_browser(**options)).new_page()
    await page.goto(f"{stack.url}/sales")
    return page


async def cents(figure: Locator) -> int:
    return int(re.sub(r"\D", "", await figure.inner_text()))


async def test_the_page_waits_for_the_first_sale_and_then_moves(quiet: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(quiet, open_browser)
    await expect(page.get_by_role("heading", name="Waiting for the first sale")).to_be_visible()
    sell(quiet)
    await expect(page.get_by_test_id("sale")).to_have_count(1)
    await expect(page.get_by_test_id("total-revenue")).to_have_text("R$53.00")
    before = await page.get_by_test_id("chart").screenshot()
    sell(quiet, 4, product="Queijo minas 400 g", total_cents=100_000)
    await expect(page.get_by_test_id("total-count")).to_have_text("5")
    await expect(page.get_by_test_id("total-revenue")).to_have_text("R$4,053.00")
    await expect(page.get_by_test_id("product").first).to_contain_text("Queijo minas 400 g")
    await page.wait_for_function("() => !document.querySelector('.is-new')?.getAnimations().length")
    assert await page.get_by_test_id("chart").screenshot() != before, "the chart has moved"


async def test_all_figures_agree(quiet: Stack, open_browser: OpenBrowser) -> None:
    sell(quiet, 7, quantity=3, total_cents=1_990)
    page = await opened(quiet, open_browser)
    await expect(page.get_by_test_id("total-count")).to_have_text("7")
    sell(quiet, 150, product="Açúcar 1 kg", total_cents=679)
    await expect(page.get_by_test_id("total-count")).to_have_text("157")
    await page.get_by_text("All figures of the chart").click()
    minutes = page.get_by_test_id("minutes")
    rows = await minutes.locator("tbody tr").all()
    assert sum([await cents(row.locator("td").last) for row in rows]) == 7 * 1_990 + 150 * 679
    for place, name in ((0, "count"), (1, "items"), (2, "revenue")):
        shown = await page.get_by_test_id(f"total-{name}").inner_text()
        assert await minutes.locator("tfoot td").nth(place).inner_text() == shown
    products = [await cents(row.locator(".sales-bar-money")) for row in await page.get_by_test_id("product").all()]
    assert products == [150 * 679, 7 * 1_990]
    await page.reload()
    await expect(page.get_by_test_id("total-count")).to_have_text("157")


async def test_a_pause_holds_everything_and_resuming_shows_it(quiet: Stack, open_browser: OpenBrowser) -> None:
    sell(quiet)
    page = await opened(quiet, open_browser)
    await expect(page.get_by_test_id("sale")).to_have_count(1)
    await page.get_by_role("button", name="Pause").press("Enter")
    sell(quiet, 3)
    await expect(page.get_by_test_id("held")).to_have_text("Paused · 3 new")
    await expect(page.get_by_test_id("sale")).to_have_count(1)
    await expect(page.get_by_test_id("total-count")).to_have_text("1")
    await page.get_by_role("button", name="Resume").press("Enter")
    await expect(page.get_by_test_id("sale")).to_have_count(4)
    await expect(page.get_by_test_id("total-count")).to_have_text("4")


async def test_another_period_is_chosen_by_keyboard(quiet: Stack, open_browser: OpenBrowser) -> None:
    sell(quiet)
    earlier = datetime.now(UTC) - timedelta(minutes=50)
    append(quiet.data / "sales.jsonl", sale(sold_at=iso(earlier)))
    page = await opened(quiet, open_browser)
    await expect(page.get_by_test_id("total-count")).to_have_text("1")
    await page.get_by_role("radio", name="15 min").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="1 h")).to_be_checked()
    await expect(page.get_by_test_id("total-count")).to_have_text("2")


async def test_a_lost_connection_loses_no_sale(quiet: Stack, open_browser: OpenBrowser) -> None:
    sell(quiet)
    page = await opened(quiet, open_browser)
    await expect(page.get_by_test_id("sale")).to_have_count(1)
    await page.context.set_offline(True)
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "offline")
    sell(quiet, 5)
    await page.context.set_offline(False)
    await expect(page.get_by_test_id("total-count")).to_have_text("6")


async def test_text_of_the_source_is_shown_as_text_and_money_in_the_page_s_language(
    quiet: Stack, open_browser: OpenBrowser
) -> None:
    evil = "<img src=x onerror=alert(1)> & cia"
    sell(quiet, product=evil, payment="barter", total_cents=123_456)
    page = await opened(quiet, open_browser, locale="pt-BR")
    row = page.get_by_test_id("sale")
    await expect(row).to_contain_text(evil)
    await expect(row).to_contain_text("barter")
    await expect(page.get_by_test_id("total-revenue")).to_have_text("R$\N{NO-BREAK SPACE}1.234,56")
    await expect(page.get_by_role("heading", name="Últimas vendas")).to_be_visible()
    assert await page.locator("img").count() == 0


async def test_the_page_fits_a_phone(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser, viewport={"width": 375, "height": 812}, locale="pt-BR")
    await page.get_by_test_id("sale").nth(2).wait_for()
    await page.get_by_text("Todos os números do gráfico").click()
    assert await page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
