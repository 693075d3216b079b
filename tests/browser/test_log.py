"""The log page in a real browser: admins find any message; others are told that it is not for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests import programs
from tests.browser.conftest import OpenBrowser
from tests.browser.people import Person, register
from tests.conftest import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def admin(stack: Stack, open_browser: OpenBrowser) -> BrowserContext:
    """An admin's browser."""
    return await admins_browser(stack, open_browser)


async def admins_browser(stack: Stack, open_browser: OpenBrowser, **options: object) -> BrowserContext:
    context = await open_browser(**options)
    bruno = Person(name="Bruno")
    account = {"name": bruno.name, "username": bruno.username, "email": bruno.email, "password": "a long password"}
    answer = await context.request.post(f"{stack.url}/api/auth/register", data=account)
    assert answer.ok
    command = ("user", "promote", bruno.username, "--data", str(stack.data))
    process = await programs.start("cli", *command, environ=os.environ)
    assert await process.wait() == 0
    login = {"username": bruno.username, "password": "a long password"}
    answer = await context.request.post(f"{stack.url}/api/auth/login", data=login)
    assert answer.ok
    return context


async def send(context: BrowserContext, url: str, event: str, count: int = 1) -> None:
    """So many messages that are refused: their events are of this test alone."""
    service, _, verb = event.partition(":")
    for number in range(count):
        await context.request.post(f"{url}/api/{service}/{verb}", data={"n": number})


async def open_log(context: BrowserContext, url: str, query: str = "") -> Page:
    page = await context.new_page()
    await page.goto(f"{url}/log{query}")
    return page


async def test_an_admin_sees_a_message_and_everything_about_it(stack: Stack, admin: BrowserContext) -> None:
    await send(admin, stack.url, "nobody:detail")
    page = await open_log(admin, stack.url, "?event=nobody:detail")
    await page.get_by_test_id("message").click()
    details = page.get_by_test_id("details")
    await expect(details).to_contain_text("not_found")
    await expect(details).to_contain_text("Bruno")
    await expect(page.get_by_test_id("payload")).to_have_text('{\n  "n": 0\n}')
    await page.keyboard.press("Escape")
    await expect(details).to_have_count(0)


async def test_filters_stand_in_the_address_and_narrow_what_is_shown(stack: Stack, admin: BrowserContext) -> None:
    await send(admin, stack.url, "nobody:one", 3)
    await send(admin, stack.url, "nobody:two", 2)
    page = await open_log(admin, stack.url)
    await page.get_by_label("Event", exact=True).fill("nobody:one")
    rows = page.get_by_test_id("message")
    await expect(rows).to_have_count(3)
    await page.get_by_label("Text in the message").fill('"n":1')
    await expect(rows).to_have_count(1)
    await page.get_by_label("Outcome").select_option("ok")
    await expect(page.get_by_test_id("none")).to_be_visible()
    assert page.url.endswith("/log?event=nobody%3Aone&outcome=ok&text=%22n%22%3A1")
    await page.reload()
    await expect(page.get_by_label("Outcome")).to_have_value("ok")
    await expect(page.get_by_test_id("none")).to_be_visible()
    await page.get_by_role("button", name="Clear all").click()
    await expect(rows.first).to_be_visible()
    assert page.url.endswith("/log")


async def test_new_messages_come_by_themselves_until_somebody_reads_further_down(
    stack: Stack, admin: BrowserContext
) -> None:
    await send(admin, stack.url, "nobody:follow", 60)
    page = await open_log(admin, stack.url, "?event=nobody:follow")
    count = page.get_by_test_id("count")
    await expect(count).to_have_text("60 messages")
    await send(admin, stack.url, "nobody:follow")
    await expect(count).to_have_text("61 messages")
    await page.locator(".log-rows").evaluate("box => { box.scrollTop = 500; }")
    await expect(page.get_by_label("Follow")).not_to_be_checked()
    await send(admin, stack.url, "nobody:follow")
    await page.get_by_role("button", name="Back to the newest").click()
    await expect(count).to_have_text("62 messages")
    await expect(page.get_by_label("Follow")).to_be_checked()


async def test_only_the_rows_that_are_seen_are_in_the_page_and_older_ones_come_while_scrolling(
    stack: Stack, admin: BrowserContext
) -> None:
    await send(admin, stack.url, "nobody:many", 150)
    page = await open_log(admin, stack.url, "?event=nobody:many")
    count = page.get_by_test_id("count")
    await expect(count).to_have_text("100+ messages")
    assert await page.get_by_test_id("message").count() < 60
    box = page.locator(".log-rows")
    await box.focus()
    await page.keyboard.press("End")
    await expect(count).to_have_text("150 messages")
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("payload")).to_have_text('{\n  "n": 0\n}')
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_test_id("payload")).to_have_text('{\n  "n": 1\n}')


async def test_what_is_shown_can_be_had_as_json_lines(stack: Stack, admin: BrowserContext, tmp_path: Path) -> None:
    await send(admin, stack.url, "nobody:export", 5)
    page = await open_log(admin, stack.url, "?event=nobody:export")
    await expect(page.get_by_test_id("count")).to_have_text("5 messages")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    await (await download.value).save_as(tmp_path / "log.jsonl")
    lines = (tmp_path / "log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["payload"]["n"] for line in lines] == [4, 3, 2, 1, 0]
    await expect(page.get_by_text("5 messages exported.")).to_be_visible()


async def test_what_clients_send_is_text_on_the_page(stack: Stack, admin: BrowserContext) -> None:
    evil = "<img src=x onerror=alert(1)>"
    await admin.request.post(f"{stack.url}/api/nobody/evil", data={"text": evil})
    page = await open_log(admin, stack.url, "?event=nobody:evil")
    await expect(page.get_by_test_id("message")).to_contain_text(evil)
    await page.get_by_test_id("message").click()
    await expect(page.get_by_test_id("payload")).to_contain_text(evil)
    assert await page.locator("main img").count() == 0


async def test_the_log_fits_a_phone(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await admins_browser(stack, open_browser, locale="pt-BR", viewport={"width": 375, "height": 812})
    await send(context, stack.url, "nobody:phone", 3)
    page = await open_log(context, stack.url, "?event=nobody:phone")
    await expect(page.get_by_test_id("message")).to_have_count(3)
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_test_id("message").first.click()
    await expect(page.get_by_test_id("details")).to_be_visible()
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_a_member_is_told_that_the_log_is_for_admins(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await register(page, stack.url, Person())
    answer = await page.goto(f"{stack.url}/log")
    assert answer is not None
    assert answer.status == 403
    await expect(page.get_by_role("heading", name="For admins only")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Log")).to_have_count(0)
