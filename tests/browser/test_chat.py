"""The chat page: people in rooms, in several tabs, on phones, with a keyboard, in both languages."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenBrowser
from tests.browser.people import Person, fill_registration
from tests.browser.rooms import composer, enter, is_in, member, message, open_chat, room, say, texts, write

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_people_talk_and_each_tells_the_own_messages_apart(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    ana = await enter(open_browser, chat_url, "Ana Talks", "sala-1")
    rui = await enter(open_browser, chat_url, "Rui Talks", "sala-1")
    await say(ana, "hello Rui")
    await expect(message(rui, "hello Rui")).to_contain_text("Ana Talks")
    await say(rui, "hello Ana\nin two lines")
    await expect(message(ana, "hello Ana in two lines")).to_contain_text("Rui Talks")
    await expect(message(ana, "hello Rui")).to_have_class(re.compile("is-mine"))
    await expect(message(rui, "hello Rui")).not_to_have_class(re.compile("is-mine"))
    for page in (ana, rui):
        assert await texts(page, "hello Rui", "hello Ana\nin two lines") == [
            "hello Rui",
            "hello Ana\nin two lines",
        ]


async def test_who_comes_and_goes_is_told_once_and_a_second_tab_is_silent(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    ana = await enter(open_browser, chat_url, "Ana Watches", "sala-2")
    rui = await member(open_browser, chat_url, "Rui Tabs")
    first = await open_chat(rui, chat_url, "sala-2")
    notices = ana.get_by_test_id("notice").filter(has_text="Rui Tabs")
    people = ana.get_by_test_id("member").filter(has_text="Rui Tabs")
    await expect(notices).to_have_text(["Rui Tabs entered"])
    await expect(people).to_have_count(1)
    second = await open_chat(rui, chat_url)
    await expect(room(second, "Sala 2")).to_have_attribute("aria-current", "true")
    await say(second, "from the second tab")
    await expect(message(first, "from the second tab")).to_have_class(re.compile("is-mine"))
    await first.close()
    await say(second, "the first tab is closed")
    await expect(message(ana, "the first tab is closed")).to_be_visible()
    await expect(notices).to_have_text(["Rui Tabs entered"])
    await second.close()
    await expect(notices).to_have_text(["Rui Tabs entered", "Rui Tabs left"])
    await expect(people).to_have_count(0)


async def test_changing_rooms_moves_all_tabs_and_nothing_crosses(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await member(open_browser, chat_url, "Ana Moves")
    first, second = await open_chat(ana, chat_url, "sala-1"), await open_chat(ana, chat_url)
    rui = await enter(open_browser, chat_url, "Rui Stays", "sala-1")
    await room(first, "Sala 3").click()
    for tab in (first, second):
        await expect(room(tab, "Sala 3")).to_have_attribute("aria-current", "true")
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Sala 3")
        await is_in(tab)
    await expect(rui.get_by_test_id("notice").filter(has_text="Ana Moves left")).to_have_count(1)
    await say(rui, "only in the first room")
    await say(first, "only in the third room")
    await expect(message(second, "only in the third room")).to_be_visible()
    await expect(message(rui, "only in the third room")).to_have_count(0)
    await expect(message(second, "only in the first room")).to_have_count(0)
    await expect(room(first, "Sala 1").get_by_test_id("badge")).to_contain_text("1")
    await room(second, "Sala 1").click()
    await expect(message(first, "only in the first room")).to_be_visible()
    await expect(first.get_by_test_id("badge")).to_have_count(0)


@pytest.mark.alone
async def test_typing_is_seen_by_the_others_and_ends(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana", "sala-3")
    rui = await enter(open_browser, chat_url, "Rui", "sala-3")
    carla = await enter(open_browser, chat_url, "Carla", "sala-3")
    line = carla.get_by_test_id("typing")
    await composer(ana).press_sequentially("wait")
    await expect(line).to_have_text("Ana is typing…")
    await composer(rui).press_sequentially("me too")
    await expect(line).to_have_text("Ana and Rui are typing…")
    await expect(ana.get_by_test_id("typing")).to_have_text("Rui is typing…")
    await composer(ana).fill("")
    await expect(line).to_have_text("Rui is typing…")
    await composer(rui).press("Enter")
    await expect(line).to_have_text("")
    await composer(ana).press_sequentially("…")
    await expect(line).to_have_text("Ana is typing…")
    await expect(line).to_have_text("")  # she goes away from the keyboard


async def test_a_card_shows_the_e_mail_address_to_its_owner_alone(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    ana = await enter(open_browser, chat_url, "Ana Card", "sala-1")
    rui = await enter(open_browser, chat_url, "Rui Card", "sala-1")
    await ana.get_by_test_id("me").click()
    await expect(ana.get_by_test_id("card")).to_contain_text("Ana Card")
    await expect(ana.get_by_test_id("card-email")).to_have_text(re.compile("^ana-.*@example.com$"))
    await ana.keyboard.press("Escape")
    await expect(ana.get_by_test_id("card")).to_be_hidden()
    await rui.get_by_test_id("member").filter(has_text="Ana Card").click()
    await expect(rui.get_by_test_id("card")).to_contain_text("Ana Card")
    await expect(rui.get_by_test_id("card")).not_to_contain_text("@")


async def test_a_guest_is_asked_to_register_and_comes_back_to_the_room(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{chat_url}/chat")
    await expect(page.get_by_role("heading", name="The rooms are for members")).to_be_visible()
    await expect(composer(page)).to_have_count(0)
    await page.get_by_role("main").get_by_role("link", name="Create an account").click()
    await fill_registration(page, Person(name="Ana Was Guest"))
    await page.wait_for_url(f"{chat_url}/chat")
    await is_in(page)


async def test_logging_out_in_one_tab_ends_the_others(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await member(open_browser, chat_url, "Ana Leaves")
    first, second = await open_chat(ana, chat_url, "sala-1"), await open_chat(ana, chat_url)
    await first.get_by_role("button", name="Log out").click()
    for tab in (second, first):
        await tab.wait_for_url(f"{chat_url}/login?**")
        await expect(tab.get_by_role("heading", name="Log in")).to_be_visible()
    assert "next=%2Fchat" in second.url


async def test_a_reload_stays_in_the_room_with_what_was_said(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Reloads", "sala-2")
    await say(ana, "said before the reload")
    await composer(ana).fill("half a sen")
    await ana.reload()
    await is_in(ana)
    await expect(room(ana, "Sala 2")).to_have_attribute("aria-current", "true")
    assert await texts(ana, "said before the reload") == ["said before the reload"]
    await expect(composer(ana)).to_have_value("half a sen")


async def test_who_leaves_is_in_no_room_until_choosing_one(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await member(open_browser, chat_url, "Ana Out")
    first, second = await open_chat(ana, chat_url, "sala-1"), await open_chat(ana, chat_url)
    await first.get_by_role("button", name="Leave the room").click()
    for tab in (first, second):
        await expect(tab.get_by_text("You are in no room")).to_be_visible()
    await second.reload()
    await expect(second.get_by_text("You are in no room")).to_be_visible()
    await room(first, "Sala 2").click()
    for tab in (first, second):
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Sala 2")


async def test_everything_can_be_done_with_the_keyboard(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Keys", "sala-1")
    await expect(composer(ana)).to_be_focused()
    await ana.keyboard.type("one")
    await ana.keyboard.press("Shift+Enter")
    await ana.keyboard.type("two")
    await ana.keyboard.press("Enter")
    await expect(message(ana, "one two")).to_have_attribute("data-state", "sent")
    assert await texts(ana, "one\ntwo") == ["one\ntwo"]
    await room(ana, "Sala 2").focus()
    await ana.keyboard.press("Enter")
    await expect(ana.get_by_role("heading", level=1)).to_have_text("Sala 2")
    await expect(composer(ana)).to_be_focused()
    await ana.get_by_role("log").focus()
    await ana.get_by_test_id("me").focus()
    await ana.keyboard.press("Enter")
    await expect(ana.get_by_test_id("card")).to_be_visible()
    await ana.keyboard.press("Escape")
    await expect(ana.get_by_test_id("me")).to_be_focused()


async def test_what_people_write_is_text_and_addresses_are_links(chat_url: str, open_browser: OpenBrowser) -> None:
    name = "<img src=x onerror=alert(1)>"
    ana = await enter(open_browser, chat_url, name, "sala-2")
    rui = await enter(open_browser, chat_url, "Rui Reads", "sala-2")
    await write(ana, "<script>alert(2)</script> javascript:alert(3) https://example.com/a?b=1.")
    shown = rui.locator(".log li", has_text="alert(2)")
    await expect(shown).to_contain_text(name)
    await expect(shown.get_by_role("link")).to_have_attribute("href", "https://example.com/a?b=1")
    assert await rui.locator(".log img, .log script").count() == 0


async def test_a_phone_shows_everything_without_scrolling_sideways(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    phone = {"viewport": {"width": 375, "height": 700}, "has_touch": True, "is_mobile": True, "locale": "pt-BR"}
    ana = await enter(open_browser, chat_url, "Ana Fone", "sala-1", **phone)
    await write(ana, "w" * 300)
    await expect(ana.locator("[data-state=sent]").last).to_contain_text("Enviada")
    for page_part in (composer(ana), ana.get_by_role("log"), room(ana, "Sala 3")):
        await expect(page_part).to_be_in_viewport()
    assert await ana.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert await ana.evaluate("() => document.documentElement.scrollHeight - innerHeight") <= 0
    await ana.locator(".room-people").click()
    await expect(ana.get_by_test_id("member").filter(has_text="Ana Fone")).to_be_in_viewport()
    await ana.get_by_role("button", name="Fechar").click()
    await expect(composer(ana)).to_be_visible()
    await expect(ana.get_by_text("Hoje")).to_be_visible()
