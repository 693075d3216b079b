"""The pages that show the API's documents: offline, under their policies, and with something to try out."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page, Request, expect

from tests.browser.conftest import OpenBrowser
from tests.conftest import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Watched:
    """A page, what its console said, and which requests it made elsewhere or in vain."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on(
            "console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", lambda answer: self.faults.append(answer.url) if answer.status >= 400 else None)
        page.on("request", lambda request: self._note(request.url, stack.url))

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what was still on its way when the page was left
            self.faults.append(f"blocked: {request.url}")

    def _note(self, url: str, home: str) -> None:
        if not url.startswith((f"{home}/", "data:")):
            self.faults.append(f"elsewhere: {url}")


async def _opened(context: BrowserContext, stack: Stack, path: str) -> Watched:
    watched = Watched(await context.new_page(), stack)
    await watched.page.goto(stack.url + path)
    return watched


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_operation_is_tried_out_with_the_visitors_cookie(
    stack: Stack, open_browser: OpenBrowser, scheme: str
) -> None:
    watched = await _opened(await open_browser(color_scheme=scheme), stack, "/docs")
    operation = watched.page.locator("#operations-numbers-numbers-set")
    await operation.locator(".opblock-summary-control").click()
    await operation.locator("button.execute").click()
    answer = operation.locator(".live-responses-table .response")
    await expect(answer.locator(".response-col_status")).to_contain_text("200")
    await expect(answer.locator(".response-col_description pre").first).to_contain_text('"value": 37')
    is_dark = await watched.page.evaluate("document.documentElement.classList.contains('dark-mode')")
    assert is_dark is (scheme == "dark")
    assert watched.faults == []


async def test_what_goes_over_sockets_is_shown_in_a_frame_without_an_origin(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    watched = await _opened(await open_browser(), stack, "/docs/events")
    shown = watched.page.frame_locator("#asyncapi")
    for heading in ("numbers:set", "numbers.board", "session:ready"):
        await expect(shown.locator("h3", has_text=heading).first).to_be_visible()
    frame = next(frame for frame in watched.page.frames if frame.url.endswith("/docs/frame"))
    assert await frame.evaluate("self.origin") == "null"
    assert (
        await frame.evaluate("() => { try { return document.cookie } catch (e) { return e.name } }")
        == "SecurityError"
    )
    assert watched.faults == []


async def test_only_the_frame_may_evaluate(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    for path in ("/docs", "/docs/events"):
        answer = await context.request.get(stack.url + path)
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    frame = await context.request.get(f"{stack.url}/docs/frame")
    policy = frame.headers["content-security-policy"]
    assert "'unsafe-eval'" in policy
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy


async def test_both_fit_a_phone(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser(viewport={"width": 390, "height": 800})
    watched = await _opened(context, stack, "/docs")
    await watched.page.locator(".opblock").first.wait_for()
    for _ in range(2):
        width = await watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        await watched.page.goto(f"{stack.url}/docs/events")
    assert watched.faults == []
