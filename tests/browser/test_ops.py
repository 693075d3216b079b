"""The ops page in real browsers: for admins, live, honest about its age."""

from __future__ import annotations

import os
from asyncio.subprocess import PIPE

import pytest
from playwright.async_api import Page, expect

from tests import programs
from tests.browser.conftest import OpenBrowser
from tests.browser.people import Person, register
from tests.conftest import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_as_admin(page: Page, stack: Stack) -> None:
    person = Person(name="Ana Admin")
    await register(page, stack.url, person)
    command = ("user", "promote", person.username, "--data", str(stack.data))
    promoted = await programs.start("cli", *command, environ=os.environ, stdout=PIPE)
    said, _ = await promoted.communicate()
    assert b"is an admin" in said
    await page.goto(f"{stack.url}/ops")
    await expect(page.get_by_test_id("gateway")).to_be_visible()


async def test_others_are_told_that_the_page_is_not_for_them(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    for become in (None, Person()):  # a guest, then a user
        if become is not None:
            await register(page, stack.url, become)
        answer = await page.goto(f"{stack.url}/ops")
        assert answer is not None
        assert answer.status == 403
    await expect(page.get_by_role("heading", name="For admins only")).to_be_visible()
    await expect(page.get_by_role("link", name="Operations")).to_have_count(0)


async def test_an_admin_sees_everything_that_runs_and_it_moves(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await open_as_admin(page, stack)
    await expect(page.get_by_role("link", name="Operations")).to_have_attribute("aria-current", "page")
    await expect(page.get_by_test_id("headline").get_by_role("status")).to_contain_text("works")
    for service in ("auth", "numbers", "presence", "sales", "clock", "ops"):
        row = page.get_by_test_id("service").filter(has=page.get_by_role("rowheader", name=service, exact=True))
        await expect(row).to_contain_text("ready")
    await expect(page.get_by_test_id("source")).to_contain_text("sales.jsonl")
    await expect(page.locator(".ops-disk")).to_contain_text("numbers.sqlite3")
    before = await page.get_by_test_id("headline").locator("time").get_attribute("datetime")
    await expect(page.get_by_test_id("headline").locator("time")).not_to_have_attribute("datetime", before or "")


async def test_what_is_shown_says_when_it_is_old(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    page = await context.new_page()
    await open_as_admin(page, stack)
    await context.set_offline(True)
    await expect(page.get_by_test_id("headline")).to_contain_text("Nothing new for")
    await context.set_offline(False)
    await expect(page.get_by_test_id("headline")).not_to_contain_text("Nothing new for")


async def test_on_a_phone_nothing_is_wider_than_the_screen(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser(viewport={"width": 375, "height": 812})).new_page()
    await open_as_admin(page, stack)
    await expect(page.get_by_test_id("service").first).to_be_visible()
    assert await page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
