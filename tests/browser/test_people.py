"""The people page in real browsers: who is here, live, searched, in both languages and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenBrowser
from tests.browser.people import Person, register
from tests.conftest import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# The number above the table is that of its rows.
COUNTED = """() => Number(document.querySelector("[data-testid=total]").textContent)
    === document.querySelectorAll("[data-testid=person]").length"""


def row(page: Page, name: str) -> Locator:
    return page.get_by_test_id("person").filter(has_text=name)


async def open_people(page: Page, stack: Stack, person: Person) -> None:
    await register(page, stack.url, person)
    await page.goto(f"{stack.url}/people")


async def test_everybody_is_shown_once_with_sessions_since_and_gateway(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    context = await open_browser()
    page = await context.new_page()
    await open_people(page, stack, Person(name="Ana People"))
    ana = row(page, "Ana People")
    await expect(ana).to_have_count(1)
    await expect(ana).to_contain_text("you")
    await expect(ana.get_by_test_id("sessions")).to_have_text("1")
    await expect(ana.get_by_test_id("gateways")).to_contain_text("gw-")
    await expect(ana.locator("time")).to_have_attribute("datetime", ISO)
    second = await context.new_page()
    await second.goto(f"{stack.url}/numbers")
    await expect(ana.get_by_test_id("sessions")).to_have_text("2")
    await expect(ana).to_have_count(1)
    await second.close()
    await expect(ana.get_by_test_id("sessions")).to_have_text("1")


async def test_who_comes_and_goes_is_seen_without_a_reload(stack: Stack, open_browser: OpenBrowser) -> None:
    ana = await (await open_browser()).new_page()
    await open_people(ana, stack, Person(name="Ana Watches"))
    await expect(row(ana, "Ana Watches")).to_be_visible()
    rui = await (await open_browser()).new_page()
    await register(rui, stack.url, Person(name="Rui Comes"))
    await expect(row(ana, "Rui Comes")).to_be_visible()
    await ana.wait_for_function(COUNTED)
    await rui.close()
    await expect(row(ana, "Rui Comes")).to_contain_text("leaving or reloading")
    await expect(row(ana, "Rui Comes")).to_have_count(0)


async def test_a_search_finds_without_accents_and_says_when_there_is_nobody(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await (await open_browser()).new_page()
    await open_people(page, stack, Person(name="Ângela Search"))
    box = page.get_by_role("searchbox", name="Search by name")
    await box.fill("angela sea")
    await expect(row(page, "Ângela Search")).to_have_count(1)
    await expect(page.get_by_test_id("person")).to_have_count(1)
    await box.fill("nobody of this name")
    await expect(page.get_by_test_id("person")).to_have_count(0)
    await expect(page.get_by_text("Nobody with “nobody of this name” in the name")).to_be_visible()
    await box.press("Escape")
    await expect(row(page, "Ângela Search")).to_be_visible()


async def test_where_not_all_are_listed_the_server_is_searched(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    page = await context.new_page()
    await register(page, stack.url, Person(name="Ana Many"))
    # As with more people than one answer holds: the list that comes first lacks everybody.
    await page.add_init_script(
        """(() => {
            const parse = JSON.parse;
            JSON.parse = (text, ...more) => {
                const value = parse(text, ...more);
                const answer = Array.isArray(value) ? value[0] : null;
                if (answer?.users && "total" in answer && !window.wasCut) {
                    window.wasCut = true;
                    return [{users: [], total: 1234}];
                }
                return value;
            };
        })()"""
    )
    await page.goto(f"{stack.url}/people")
    await page.wait_for_function("() => window.wasCut")
    await page.get_by_role("searchbox").fill("ana many")
    await expect(row(page, "Ana Many")).to_be_visible()


async def test_a_lost_connection_is_told_and_the_list_is_right_when_it_is_back(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    context = await open_browser()
    page = await context.new_page()
    await open_people(page, stack, Person(name="Ana Offline"))
    await expect(row(page, "Ana Offline")).to_be_visible()
    await context.set_offline(True)
    await expect(page.get_by_text("The connection is lost")).to_be_visible()
    rui = await (await open_browser()).new_page()
    await register(rui, stack.url, Person(name="Rui Meanwhile"))
    await context.set_offline(False)
    await expect(row(page, "Rui Meanwhile")).to_be_visible()
    await expect(page.get_by_text("The connection is lost")).to_have_count(0)


async def test_a_guest_sees_the_page_and_is_marked_as_one(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/people")
    mine = row(page, "you")
    await expect(mine).to_contain_text("guest")
    await expect(
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="People")
    ).to_have_attribute("aria-current", "page")


async def test_names_are_text(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    name = "<img src=x onerror=alert(2)> & Rui"
    await open_people(page, stack, Person(name=name))
    await expect(row(page, name)).to_be_visible()
    assert await page.locator("img").count() == 0


async def test_on_a_phone_each_row_is_whole_and_still_a_row(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser(locale="pt-BR", viewport={"width": 375, "height": 812})
    page = await context.new_page()
    await page.goto(f"{stack.url}/people")
    mine = page.get_by_role("row").filter(has_text="você")
    await expect(mine).to_contain_text("Sessões")
    await expect(mine.get_by_role("cell")).to_have_count(3)
    assert await page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
