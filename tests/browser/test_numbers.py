"""The running number in real tabs: it runs, it resumes, one tab drives and the others follow."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenBrowser
from tests.browser.people import LATE_DRAWS, SLOW_TIMERS, Person, register, role_is, shown_values, value_of
from tests.conftest import Stack
from tests.stopwatch import Stopwatch
from tests.waiting import at_most

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTE_CLICKS = """() => document.addEventListener(
    "click", () => localStorage.setItem("clicked", String(Date.now())), {capture: true, once: true})"""


async def test_a_visitor_runs_as_a_guest_at_once(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(stack.url)
    await role_is(page, "driver")
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    assert len(await shown_values(page, 3)) == 3


@pytest.mark.alone
async def test_the_number_moves_on_by_its_step_twice_a_second(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    page = await context.new_page()
    await page.goto(f"{stack.url}/numbers")
    await role_is(page, "driver")
    with Stopwatch() as watch:
        shown = await shown_values(page, 5)
    assert all(after["value"] == before["value"] + 1 for before, after in pairwise(shown))
    assert_apart(shown, 2.0, watch)


@pytest.mark.alone
async def test_the_number_keeps_time_in_a_hidden_tab(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    await context.add_init_script(SLOW_TIMERS)
    page = await context.new_page()
    await page.goto(f"{stack.url}/numbers")
    await role_is(page, "driver")
    with Stopwatch() as watch:
        shown = await shown_values(page, 5)
    assert_apart(shown, 2.0, watch)


@pytest.mark.alone
async def test_a_late_beat_does_not_delay_the_next_ones(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    page = await context.new_page()
    await page.goto(f"{stack.url}/numbers")
    await role_is(page, "driver")
    with Stopwatch() as watch:
        await shown_values(page, 1)
        await page.evaluate("() => { const end = performance.now() + 300; while (performance.now() < end); }")
        await page.wait_for_function("() => window.shown.length >= 7")
        shown = await page.evaluate("() => window.shown")
    assert_apart(shown[:7], 3.0, watch)


@pytest.mark.alone
async def test_a_draw_changes_the_step_within_five_seconds(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/numbers")
    await role_is(page, "driver")
    async with at_most(7):
        await expect(page.get_by_text("Drew an")).to_be_visible()


@pytest.mark.alone
async def test_the_value_resumes_after_a_reload(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    page = await context.new_page()
    await register(page, stack.url, Person())
    await role_is(page, "driver")
    await shown_values(page, 4)
    before, step = await value_of(page)
    await page.reload()
    after, step_after = await value_of(page)
    assert after in _within_beats(before, {step, step_after})


@pytest.mark.alone
async def test_a_second_tab_mirrors_and_takes_over_when_the_first_closes(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    first = await context.new_page()
    await register(first, stack.url, Person())
    await role_is(first, "driver")
    second = await context.new_page()
    await second.goto(f"{stack.url}/numbers")
    await role_is(second, "mirror")
    await shown_values(second, 3)
    before, step = await value_of(first)
    await first.close()
    await role_is(second, "driver")
    after, step_after = await value_of(second)
    assert after in _within_beats(before, {step, step_after})
    assert len(await shown_values(second, 3)) == 3


async def test_without_locks_one_tab_drives_all_the_same(stack: Stack, open_browser: OpenBrowser) -> None:
    context = await open_browser()
    await context.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
    first = await context.new_page()
    await register(first, stack.url, Person())
    await role_is(first, "driver")
    second = await context.new_page()
    await second.goto(f"{stack.url}/numbers")
    await role_is(second, "mirror")
    await shown_values(second, 3)
    await role_is(second, "mirror")
    await first.close()
    await role_is(second, "driver")


@pytest.mark.alone
async def test_a_lost_connection_is_told_and_the_number_waits_for_it(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    context = await open_browser()
    await context.add_init_script(LATE_DRAWS)
    page = await context.new_page()
    await register(page, stack.url, Person())
    await role_is(page, "driver")
    await context.set_offline(True)
    await expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "offline")
    await role_is(page, "waiting")
    before, step = await value_of(page)
    await page.get_by_role("button", name="Retry now").wait_for()
    await context.set_offline(False)
    await role_is(page, "driver")
    after, step_after = await value_of(page)
    assert after in _within_beats(before, {step, step_after}, beats=4)
    shown = await shown_values(page, 4)
    assert shown[-1]["at"] - shown[0]["at"] > 1000, "two loops run"


async def test_the_board_shows_everybody(stack: Stack, open_browser: OpenBrowser) -> None:
    ana = await (await open_browser()).new_page()
    rui = await (await open_browser()).new_page()
    await register(ana, stack.url, Person(name="Ana Board"))
    await register(rui, stack.url, Person(name="Rui Board"))
    for page in (ana, rui):
        for name in ("Ana Board", "Rui Board"):
            await expect(page.get_by_test_id("board-row").filter(has_text=name).first).to_be_visible()
    assert int(await ana.get_by_test_id("active").inner_text()) >= 2


async def test_names_are_text_wherever_they_are_shown(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    name = "<img src=x onerror=alert(1)> & Ana"
    await register(page, stack.url, Person(name=name))
    await expect(page.get_by_test_id("who")).to_contain_text(name)
    await expect(page.get_by_test_id("board-row").filter(has_text=name).first).to_be_visible()
    assert await page.locator("img").count() == 0


@pytest.mark.alone
async def test_logging_out_in_one_tab_ends_the_other_within_a_second(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    context = await open_browser()
    first = await context.new_page()
    await register(first, stack.url, Person())
    second = await context.new_page()
    await second.goto(f"{stack.url}/numbers")
    await role_is(second, "mirror")
    await first.evaluate(NOTE_CLICKS)
    with Stopwatch() as watch:
        await first.get_by_role("button", name="Log out").click()
        await second.wait_for_url("**/login?ended=logout*")
    # From the click until the other tab was on its way, by the browser's own clock.
    passed_ms = await second.evaluate("() => performance.timeOrigin - Number(localStorage.getItem('clicked'))")
    assert passed_ms < 1000 * watch.slowness
    await first.wait_for_url("**/login?ended=logout*")
    await expect(first.get_by_test_id("ended")).to_contain_text("logged out")


async def test_the_pages_fit_a_phone(stack: Stack, open_browser: OpenBrowser) -> None:
    for locale in ("en-US", "pt-BR"):
        context = await open_browser(locale=locale, viewport={"width": 375, "height": 812})
        page = await context.new_page()
        for path in ("/", "/numbers", "/people", "/fibonacci", "/login", "/register", "/nothing-here"):
            await page.goto(f"{stack.url}{path}")
            assert await _overflow(page) == 0, path
        await context.close()


def assert_apart(shown: list[dict[str, float]], seconds: float, watch: Stopwatch) -> None:
    """From the first of these to the last; where the machine is busy, either may be late."""
    apart = (shown[-1]["at"] - shown[0]["at"]) / 1000
    assert abs(apart - seconds) < 0.3 * watch.slowness, watch


async def _overflow(page: Page) -> int:
    width: int = await page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    return max(0, width)


def _within_beats(value: int, steps: set[int], beats: int = 10) -> set[int]:
    """Where a number may stand some beats later, a draw in between included."""
    reached = {value}
    edge = {value}
    for _ in range(beats):
        edge = {(place + step) % 100 for place in edge for step in steps}
        reached |= edge
    return reached
