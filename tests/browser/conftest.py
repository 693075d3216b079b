"""A real Chromium for the tests of this folder. What a page throws or its policy blocks fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, async_playwright, expect

from tests.conftest import run_stack

ARGS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

OpenBrowser = Callable[..., Awaitable[BrowserContext]]


def chromium() -> str | None:
    """The browser of the system; None for the one that Playwright installed."""
    named = os.environ.get("PULSO_TEST_BROWSER")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests; it lives on one event loop, and so do the tests that use it."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGS))
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_browser(browser: Browser) -> AsyncIterator[OpenBrowser]:
    """`await open_browser()`: another person's browser, with its own cookies; English unless `locale` says so."""
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    async def open_one(**options: object) -> BrowserContext:
        context = await browser.new_context(**{"locale": "en-US", **options})  # type: ignore[arg-type]  # passed on
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("console", note)
        return context

    yield open_one
    for context in contexts:
        await context.close()
    assert faults == []


@pytest.fixture(scope="session")
def chat_url() -> Iterator[str]:
    """A Pulso whose rooms the tests of the chat have to themselves."""
    for stack in run_stack(PULSO_BCRYPT_COST="4", PULSO_LIMIT_EVENTS_PER_SECOND="0"):
        yield stack.url
