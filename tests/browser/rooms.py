"""The chat page as the tests speak of it: people in a room, what they write and what they see."""

from __future__ import annotations

import re
from typing import Any, Final

from playwright.async_api import BrowserContext, Locator, Page, WebSocketRoute, expect

from tests.browser.conftest import OpenBrowser
from tests.browser.people import PASSWORD, Person

IN_THE_LOG: Final = ".log [data-testid=text]"

HIDE: Final = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""

# Where a message stands in the window, and how far the log is scrolled.
TOP_OF: Final = "row => row.getBoundingClientRect().top"
LEFT_BELOW: Final = "log => log.scrollHeight - log.scrollTop - log.clientHeight"


async def member(open_browser: OpenBrowser, url: str, name: str, **options: object) -> BrowserContext:
    """The browser of somebody who has an account and is logged in."""
    context = await open_browser(**options)
    person = Person(name=name)
    body = {"name": name, "username": person.username, "email": person.email, "password": PASSWORD}
    answer = await context.request.post(f"{url}/api/auth/register", data=body, headers={"Origin": url})
    assert answer.ok, await answer.text()
    return context


async def open_chat(context: BrowserContext, url: str, room: str = "") -> Page:
    """A tab that is in its room: the one that is named, else the one that the page chooses."""
    page = await context.new_page()
    await page.goto(f"{url}/chat?room={room}" if room else f"{url}/chat")
    await is_in(page)
    return page


async def enter(open_browser: OpenBrowser, url: str, name: str, room: str = "", **options: object) -> Page:
    """Somebody new, in the room."""
    return await open_chat(await member(open_browser, url, name, **options), url, room)


async def is_in(page: Page) -> None:
    """Returns once the page is in a room: then it shows itself among those who are there."""
    await (
        page.get_by_test_id("people-count").and_(page.get_by_text(re.compile("[1-9]"))).wait_for(state="attached")
    )
    await page.locator(".log[aria-busy=false]").wait_for()


def composer(page: Page) -> Locator:
    return page.get_by_test_id("composer")


async def write(page: Page, *texts: str) -> None:
    """Write and send, without waiting for what becomes of it."""
    for text in texts:
        await composer(page).fill(text)
        await composer(page).press("Enter")


async def say(page: Page, *texts: str) -> None:
    """Send these, and wait until the server has each."""
    for text in texts:
        await write(page, text)
        await expect(message(page, text)).to_have_attribute("data-state", "sent")


def message(page: Page, text: str) -> Locator:
    return page.get_by_test_id("message").filter(has=page.get_by_text(text, exact=True))


async def texts(page: Page, *of: str) -> list[str]:
    """Those of these texts that the log shows, in its order."""
    shown: list[str] = await page.locator(IN_THE_LOG).all_inner_texts()
    return [text for text in shown if text in of]


def room(page: Page, name: str) -> Locator:
    return page.get_by_test_id("room").filter(has_text=name)


async def fill_room(page: Page, room: str, count: int, word: str) -> None:
    """So many messages by this person, who is in the room: `<word> 1`, `<word> 2` and so on."""
    send: Any = """async ([room, count, word]) => {
        const id = () => crypto.randomUUID();
        for (let number = 1; number <= count; number += 1) {
            const body = JSON.stringify({id: id(), room, text: `${word} ${number}`});
            const headers = {"Content-Type": "application/json"};
            const answer = await fetch("/api/chat/send", {method: "POST", headers, body});
            if (!answer.ok) throw new Error(await answer.text());
        }
    }"""
    await page.evaluate(send, [room, count, word])


class Wire:
    """The WebSockets between a browser and the server: they can be cut, and single frames can be lost."""

    def __init__(self) -> None:
        self.is_cut = False
        self.lose: list[str] = []
        """Of what the server sends, the next frame that matches one of these patterns is lost, once for each."""
        self.lost: list[str] = []
        self._open: list[WebSocketRoute] = []

    async def tap(self, context: BrowserContext) -> None:
        await context.route_web_socket(re.compile("/socket.io/"), self._opened)
        await context.route(re.compile("/socket.io/.*transport=polling"), lambda route: route.abort())

    async def cut(self) -> None:
        """As when the gateway dies; nothing gets through until it is mended."""
        self.is_cut = True
        for route in self._open:
            await route.close(code=1012)
        self._open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def tell(self, frame: str) -> None:
        """As if the server had sent this."""
        for route in self._open:
            route.send(frame)

    async def _opened(self, route: WebSocketRoute) -> None:
        if self.is_cut:
            await route.close(code=1012)
            return
        server = route.connect_to_server()
        self._open.append(route)

        def passed(frame: str | bytes) -> None:
            unlucky = next((one for one in self.lose if re.search(one, str(frame))), None)
            if unlucky is None:
                route.send(frame)
            else:
                self.lose.remove(unlucky)
                self.lost.append(str(frame))

        server.on_message(passed)
