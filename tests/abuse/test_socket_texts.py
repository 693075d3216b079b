"""Texts and names that want to be more than that: kept as they were sent or refused, and shown as text."""

from __future__ import annotations

import secrets
import uuid
from typing import Final

import pytest
from playwright.async_api import Page

from tests.abuse.conftest import Expect, Report
from tests.abuse.target import PASSWORD, Account, Target
from tests.browser import rooms
from tests.browser.conftest import OpenBrowser, browser, open_browser
from tests.cases import Case
from tests.raw_http import ask, post
from tests.raw_websocket import welcomed

__all__ = ["browser", "open_browser"]  # fixtures of the browser tests, for this module, too

ROOM: Final = "sala-3"
KEPT: Final = "kept as sent"

MARKUP: Final = {
    "an image with a handler": "<img src=x onerror=alert(1)>",
    "a script": "<script>alert(1)</script>",
    "the end of what is around it": "</span></div></main><h1>Pulso</h1>",
    "an SVG that loads": "<svg/onload=alert(1)>",
    "a frame": '<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
    "a style": "<style>*{display:none}</style>",
    "a form": '<form action="http://evil.example"><input name=password></form>',
    "an entity": "&lt;b&gt;&#x3c;b&#x3e;&nbsp;&amp;amp;",
    "a comment that is not closed": "<!-- <b>",
    "quotes": "\"'`><b onmouseover=alert(1)>",
    "a template's expression": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "a script's address": "javascript:alert(1) data:text/html,<script>alert(1)</script>",
    "markup behind an address": 'http://evil.example/"onmouseover="alert(1)',
    "Markdown": "![x](javascript:alert(1)) [y](data:text/html,x) <http://evil.example>",
}
"""Each is shown letter by letter."""
ODD: Final = {
    "right to left from here on": "\u202egnp.exe",
    "isolates that are not closed": "\u2066\u2067\u2068 and on",
    "embeddings 60 deep": "\u202b\u202d" * 30 + "x",
    "a mark with nothing below it": "\u0301",
    "4,000 letters without a space": "W" * 4000,
    "4,000 combining marks but one": "Z" + "\u0301\u0323\u0334" * 1333,
    "900 joined emoji": "\U0001f468\u200d\U0001f469\u200d" * 450,
    "500 lines": "x\n" * 500,
    "separators of lines": "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "control characters": "".join(map(chr, range(1, 32))) + "x",
    "a byte order mark and noncharacters": "\ufeffx\ufffe\uffff\U0010ffff",
    "what is not assigned": "\u0378\U000e0001\U000f0000",
    "zero width": "a\u200b\u200c\u200d\u2060b",
    "full-width markup": "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "the longest in bytes": "\U0001f642" * 4000,
    "the longest in JSON": "\x01" * 4000,
}
"""Each is kept; how it is shown is the font's affair, but within its bubble."""
REFUSED: Final = {
    "4,001 characters": ("x" * 4001, "bad_request"),
    "10,000 combining marks": ("Z" + "\u0301" * 10_000, "bad_request"),
    "100,000 combining marks": ("Z" + "\u0301" * 100_000, "too_large"),
    "NUL": ("a\0b", "bad_request"),
    "nothing": ("", "bad_request"),
    "spaces of all kinds": (" \t\n\u00a0\u2003\u3000", "bad_request"),
}


@pytest.fixture(scope="module")
def ana(target: Target) -> Account:
    return target.user()


@pytest.mark.parametrize("text", (MARKUP | ODD).values(), ids=MARKUP | ODD)
async def test_a_text(target: Target, ana: Account, text: str, expect: Expect) -> None:
    body = {"id": str(uuid.uuid4()), "text": text}
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": ROOM})
        sent = await wire.ask("chat:send", body)
        (last,) = (await wire.ask("chat:history", {"room": ROOM, "limit": 1}))["messages"]
    expect(KEPT, KEPT if sent["text"] == last["text"] == text else "changed")


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
async def test_a_text_that_is_no_message(
    target: Target, ana: Account, text: str, code: str, expect: Expect
) -> None:
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": ROOM})
        answer = await wire.ask("chat:send", {"id": str(uuid.uuid4()), "text": text})
    expect(code, answer["error"]["code"])


@pytest.mark.parametrize("half", ["\\ud800", "\\udc00", "\\udc00\\ud800"])
async def test_half_a_surrogate_pair_in_a_text(target: Target, ana: Account, half: str, expect: Expect) -> None:
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": ROOM})
        wire.say(f'427["chat:send",{{"id":"{uuid.uuid4()}","text":"{half}"}}]')
        expect("bad_request", (await wire.ack(7))["error"]["code"])


NAMES: Final = {
    "markup": ("<img src=x onerror=alert(1)>", 200),
    "right to left from here on": ("\u202eanA", 400),
    "isolates": ("\u2066Ana", 400),
    "zero width": ("A\u200bna", 400),
    "60 combining marks on nothing": ("\u0301" * 60, 400),
    "61 characters": ("x" * 61, 400),
    "10,000 combining marks": ("A" + "\u0301" * 10_000, 400),
    "100,000 combining marks": ("A" + "\u0301" * 100_000, 413),
    "NUL": ("A\0na", 400),
    "a line feed within": ("Ana\nRui", 200),
    "another control character": ("Ana\x07", 400),
    "a tag of Unicode's": ("Ana\U000e0041", 400),
    "the letter that shows nothing": ("\u3164", 400),
    "an expression": ("{{7*7}}", 200),
}


@pytest.mark.parametrize(("name", "status"), NAMES.values(), ids=NAMES)
async def test_a_name(target: Target, name: str, status: int, expect: Expect) -> None:
    """A line feed is a space; nothing else that is not seen is let in."""
    answer = await ask(target, post("/api/auth/guest", {"name": name}))
    if status == 200:
        assert answer.json["user"]["name"] == " ".join(name.split())
    expect(status, answer.status)


@pytest.mark.asyncio(loop_scope="session")
async def test_texts_in_the_page(target: Target, open_browser: OpenBrowser, report: Report) -> None:
    """Nothing becomes an element, nothing runs, and the page stays as wide as it is."""
    name = "<b onmouseover=alert(1)>Ana</b>"
    username = f"u-{secrets.token_hex(4)}"
    body = {"name": name, "username": username, "email": f"{username}@example.com", "password": PASSWORD}
    token = (await ask(target, post("/api/auth/register", body))).json["access_token"]
    ana = Account("", name, token, "")
    page = await rooms.enter(open_browser, target.url, "Rui", ROOM)
    async with welcomed(target, ana) as wire:
        await wire.ask("chat:join", {"room": ROOM})
        texts = (MARKUP | ODD) | {"the last": "the last one"}
        for text in texts.values():
            await wire.ask("chat:send", {"id": str(uuid.uuid4()), "text": text})
        await rooms.message(page, "the last one").wait_for()
        shown = await page.locator(rooms.IN_THE_LOG).evaluate_all("all => all.map(one => one.textContent)")
        faults = await layout_faults(page)
        await page.set_viewport_size({"width": 360, "height": 640})
        faults += await layout_faults(page)
        elements = await page.locator(rooms.IN_THE_LOG).locator("*:not(a)").count()
        links = await page.locator(f"{rooms.IN_THE_LOG} a").evaluate_all("all => all.map(a => a.protocol)")
        names = await page.get_by_text(name, exact=True).count()
    for what, text in texts.items():
        report(Case(f"in the page: {what}", "as text", "as text" if text in shown else "changed"))
    report(Case("in the page: elements of their own", "0", str(elements)))
    report(Case("in the page: wider than the window", "nothing", ", ".join(faults) or "nothing"))
    assert [what for what, text in texts.items() if text not in shown] == []
    assert (elements, faults, {*links} <= {"http:", "https:"}, names > 0) == (0, [], True, True)


async def layout_faults(page: Page) -> list[str]:
    """What of the page, the log or a bubble is wider than its place."""
    faults: list[str] = await page.evaluate("""() => {
        const wider = (name, one) => one.scrollWidth > one.clientWidth + 1 ? [name] : [];
        const bubbles = [...document.querySelectorAll(".bubble")];
        return [
            ...wider("the page", document.documentElement),
            ...wider("the log", document.querySelector(".log")),
            ...bubbles.filter((one) => getComputedStyle(one).overflowX !== "clip").map(() => "a bubble"),
        ];
    }""")
    return faults
