"""The log of the chat page: how it scrolls, what is unread, and that it is whole again after a gap."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenBrowser
from tests.browser.rooms import (
    HIDE,
    LEFT_BELOW,
    TOP_OF,
    Wire,
    enter,
    fill_room,
    is_in,
    member,
    message,
    open_chat,
    room,
    say,
    texts,
    write,
)
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEAR_PX = 3


def newer(page: Page) -> Locator:
    return page.get_by_test_id("to-bottom")


def unread_line(page: Page) -> Locator:
    return page.get_by_test_id("unread")


async def test_history_comes_on_scrolling_up_and_nothing_jumps(chat_url: str, open_browser: OpenBrowser) -> None:
    rui = await enter(open_browser, chat_url, "Rui History", "sala-1")
    await fill_room(rui, "sala-1", 130, "history")
    ana = await enter(open_browser, chat_url, "Ana History", "sala-1")
    log = ana.get_by_role("log")
    await expect(message(ana, "history 130")).to_be_in_viewport()
    await expect(message(ana, "history 80")).to_have_count(0)
    await expect(message(ana, "history 81")).to_have_count(1)
    for first, earlier in (("history 81", "history 31"), ("history 31", "history 1")):
        # It is where it was, to the pixel, in the very frame in which what is above it has come.
        await ana.evaluate(
            """async ([first, earlier]) => {
                const log = document.querySelector("[role=log]");
                const row = text => [...log.querySelectorAll("li")].find(
                    row => row.querySelector("[data-testid=text]")?.textContent === text);
                log.scrollTop = 100;
                const before = row(first).getBoundingClientRect().top;
                window.moved = await new Promise(done => new MutationObserver((_, observer) => {
                    if (!row(earlier)) return;
                    observer.disconnect();
                    requestAnimationFrame(() => done(row(first).getBoundingClientRect().top - before));
                }).observe(log, {childList: true, subtree: true}));
            }""",
            [first, earlier],
        )
        assert abs(await ana.evaluate("() => window.moved")) < NEAR_PX
    shown = [f"history {number}" for number in range(1, 131)]
    assert await texts(ana, *shown) == shown
    await say(rui, "while she reads history")
    assert await log.evaluate(LEFT_BELOW) > 1000
    await expect(newer(ana)).to_have_text("1 new")


async def test_the_log_follows_only_at_its_end_and_says_how_many_are_new(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    rui = await enter(open_browser, chat_url, "Rui Writes", "sala-2")
    await fill_room(rui, "sala-2", 40, "filler")
    ana = await enter(open_browser, chat_url, "Ana Follows", "sala-2")
    await say(rui, "she follows")
    await expect(message(ana, "she follows")).to_be_in_viewport()
    middle = message(ana, "filler 20")
    await middle.scroll_into_view_if_needed()
    await expect(newer(ana)).to_be_visible()
    top = await middle.evaluate(TOP_OF)
    await say(rui, "new 1", "new 2", "new 3")
    await expect(newer(ana)).to_have_text("3 new")
    await expect(ana).to_have_title(re.compile(r"^\(3\) Sala 2"))
    assert abs(await middle.evaluate(TOP_OF) - top) < NEAR_PX
    await newer(ana).click()
    await expect(message(ana, "new 3")).to_be_in_viewport()
    await expect(newer(ana)).to_have_count(0)
    await expect(ana).to_have_title(re.compile("^Sala 2"))
    await middle.scroll_into_view_if_needed()
    await expect(newer(ana)).to_be_visible()
    await write(ana, "my own")
    await expect(message(ana, "my own")).to_be_in_viewport()


async def test_who_comes_back_finds_a_line_above_what_is_unread(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Away", "sala-3")
    rui = await enter(open_browser, chat_url, "Rui Goes On", "sala-3")
    await say(rui, "she reads this")
    await expect(message(ana, "she reads this")).to_be_visible()
    await ana.goto(f"{chat_url}/numbers")
    await say(rui, "unread 1", "unread 2")
    await ana.goto(f"{chat_url}/chat")
    await is_in(ana)
    await expect(unread_line(ana).locator("xpath=following-sibling::li[1]")).to_contain_text("unread 1")
    await expect(unread_line(ana).locator("xpath=preceding-sibling::li[1]")).to_contain_text("she reads this")
    await say(ana, "answered")
    await expect(unread_line(ana)).to_have_count(0)


async def test_what_comes_while_the_tab_is_hidden_is_unread(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Hidden", "sala-3")
    rui = await enter(open_browser, chat_url, "Rui Knocks", "sala-3")
    await ana.evaluate(HIDE, True)
    await say(rui, "knock", "knock again")
    await expect(ana).to_have_title(re.compile(r"^\(2\) Sala 3"))
    await expect(unread_line(ana).locator("xpath=following-sibling::li[1]")).to_contain_text("knock")
    await ana.evaluate(HIDE, False)
    await expect(ana).to_have_title(re.compile("^Sala 3"))
    await expect(unread_line(ana)).to_have_count(1)


async def test_what_is_read_in_one_tab_is_read_in_the_others(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await member(open_browser, chat_url, "Ana Reads")
    first, second = await open_chat(ana, chat_url, "sala-3"), await open_chat(ana, chat_url)
    for tab in (first, second):
        await tab.evaluate(HIDE, True)
    rui = await enter(open_browser, chat_url, "Rui Is Read", "sala-3")
    await say(rui, "to be read once")
    for tab in (first, second):
        await expect(tab).to_have_title(re.compile(r"^\(1\)"))
    await first.evaluate(HIDE, False)
    await expect(second).to_have_title(re.compile("^Sala 3"))


async def test_a_gap_is_filled_in_order(chat_url: str, open_browser: OpenBrowser) -> None:
    wire = Wire()
    context = await member(open_browser, chat_url, "Ana Gap")
    await wire.tap(context)
    ana = await open_chat(context, chat_url, "sala-2")
    rui = await enter(open_browser, chat_url, "Rui Fills", "sala-2")
    await say(rui, "gap 1")
    await expect(message(ana, "gap 1")).to_be_visible()
    wire.lose = ['^42\\["chat:message".*"gap 2"']
    await say(rui, "gap 2", "gap 3")
    await expect(message(ana, "gap 2")).to_be_visible()
    wire.lose = ['^42\\["chat:message".*"gap 4"']
    await say(rui, "gap 4")
    await eventually(lambda: len(wire.lost) == 2)
    wire.tell('42["session:resync",{}]')
    await expect(message(ana, "gap 4")).to_be_visible()
    await wire.cut()
    await say(rui, "gap 5", "gap 6")
    wire.mend()
    await expect(message(ana, "gap 6")).to_be_visible()
    said = [f"gap {number}" for number in range(1, 7)]
    assert await texts(ana, *said) == said


async def test_a_room_begins_at_its_first_message(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana First", "sala-3")
    await fill_room(ana, "sala-3", 60, "to the beginning")
    await room(ana, "Sala 1").click()
    await room(ana, "Sala 3").click()
    await is_in(ana)
    while await ana.get_by_text("This is where the room begins.").count() == 0:
        await ana.get_by_role("log").evaluate("log => { log.scrollTop = 0; }")
    await expect(ana.get_by_text("This is where the room begins.")).to_be_visible()
