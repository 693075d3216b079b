"""The Fibonacci page and the clock in the header: by mouse, by keyboard, on a phone, without a connection."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from services.numbers.contract import MAX_N
from services.numbers.fibonacci import fibonacci
from tests.browser.conftest import OpenBrowser
from tests.conftest import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def opened(stack: Stack, open_browser: OpenBrowser, **options: object) -> Page:
    page = await (await open_browser(**options)).new_page()
    await page.goto(f"{stack.url}/fibonacci")
    return page


async def ask(page: Page, n: str) -> None:
    await page.locator("#n").fill(n)
    await page.locator("#n").press("Enter")


async def test_the_bound_is_said_before_anything_is_asked(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser)
    await expect(page.get_by_label("Which one? n from 0 to 100,000")).to_be_visible()


async def test_a_number_is_answered_with_its_digits_and_their_count(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await opened(stack, open_browser)
    for n, digits in (("0", "1 digit"), ("10", "2 digits"), ("1000", "209 digits")):
        await ask(page, n)
        await expect(page.get_by_test_id("name")).to_have_text(f"F({n})")
        await expect(page.get_by_test_id("value")).to_have_text(fibonacci(int(n)))
        await expect(page.get_by_test_id("digits")).to_have_text(digits)


async def test_a_long_number_is_folded_unfolded_and_copied_whole(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser, permissions=["clipboard-read", "clipboard-write"])
    await ask(page, str(MAX_N))
    whole = fibonacci(MAX_N)
    value = page.get_by_test_id("value")
    await expect(page.get_by_test_id("digits")).to_have_text("20,899 digits")
    await expect(value).to_contain_text("20,419 more digits")
    await expect(value).to_contain_text(whole[:240])
    await page.get_by_role("button", name="Copy all digits").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == whole
    await page.get_by_role("button", name="Show all digits").click()
    await expect(value).to_have_text(whole)
    await page.get_by_role("button", name="Show less").click()
    await expect(value).not_to_have_text(whole)


async def test_it_is_copied_where_the_browser_keeps_its_clipboard(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser(permissions=["clipboard-read"])
    await context.add_init_script("(navigator.clipboard ?? {}).writeText = () => Promise.reject(new Error('no'))")
    page = await context.new_page()
    await page.goto(f"{stack.url}/fibonacci")
    await ask(page, "300")
    await page.get_by_role("button", name="Copy all digits").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == fibonacci(300)


@pytest.mark.parametrize("wrong", ["-1", "2.7", "x", "1e3", "100001", "1000000000", "", " "])
async def test_bad_input_is_told_beside_the_field_and_the_number_stays(
    stack: Stack, open_browser: OpenBrowser, wrong: str
) -> None:
    page = await opened(stack, open_browser)
    await ask(page, "10")
    await expect(page.get_by_test_id("value")).to_have_text("55")
    await ask(page, wrong)
    await expect(page.get_by_role("alert").filter(has_text="whole number from 0 to 100,000")).to_be_visible()
    await expect(page.locator("#n")).to_be_focused()
    await expect(page.locator("#n")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_test_id("value")).to_have_text("55")
    await ask(page, "11")
    await expect(page.get_by_test_id("value")).to_have_text("89")
    await expect(page.locator("#n")).not_to_have_attribute("aria-invalid", re.compile(""))


async def test_what_was_asked_is_asked_again_after_a_reload_until_it_is_cleared(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await opened(stack, open_browser)
    for n in ("7", "90", "7"):
        await ask(page, n)
        await expect(page.get_by_test_id("name")).to_have_text(f"F({n})")
    await page.reload()
    asked = page.get_by_role("button", name="Ask again for")
    assert [text.split()[-3] for text in await asked.all_inner_texts()] == ["F(7)", "F(90)"]
    await asked.filter(has_text="F(90)").click()
    await expect(page.get_by_test_id("value")).to_have_text(fibonacci(90))
    await page.get_by_role("button", name="Clear").click()
    await expect(asked).to_have_count(0)
    await expect(page.locator("#n")).to_be_focused()


async def test_all_of_it_works_by_keyboard(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser)
    await page.locator("#n").focus()
    await page.keyboard.type("5000")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("name")).to_have_text("F(5000)")
    await page.get_by_role("button", name="Copy all digits").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_test_id("value")).to_have_text(fibonacci(5000))
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_test_id("value")).to_be_focused()  # what scrolls can be scrolled by keys


async def test_without_a_connection_it_is_said_and_the_next_try_works(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await opened(stack, open_browser)
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    await page.context.set_offline(True)
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "offline")
    await ask(page, "10")
    await expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    await ask(page, "10")
    await expect(page.get_by_test_id("value")).to_have_text("55")


async def test_refusals_are_told_in_the_persons_language(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser, locale="pt-BR")
    await ask(page, "-1")
    await expect(page.get_by_role("alert").filter(has_text="número inteiro de 0 a 100.000")).to_be_visible()
    await ask(page, "100000")
    await expect(page.get_by_test_id("digits")).to_have_text("20.899 dígitos")


async def test_a_phone_shows_the_longest_number_without_scrolling_sideways(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await opened(stack, open_browser, viewport={"width": 320, "height": 700})
    await ask(page, str(MAX_N))
    await page.get_by_role("button", name="Show all digits").click()
    await expect(page.get_by_test_id("value")).to_have_text(fibonacci(MAX_N))
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_the_server_time_ticks_in_the_header(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await opened(stack, open_browser, timezone_id="America/Sao_Paulo")
    clock = page.get_by_test_id("clock")
    await expect(clock).to_have_text(re.compile(r"^\s*\d{1,2}:\d{2}:\d{2}\s[AP]M\s*$"))
    now = await clock.get_attribute("datetime")
    await expect(clock).not_to_have_attribute("datetime", str(now))
    await page.context.set_offline(True)
    await expect(clock).to_have_count(0)
