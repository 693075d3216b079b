"""What people do in a browser, as the tests say it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from playwright.async_api import Page

from tests.admission import MAY_BE_TRIED_AGAIN

PASSWORD = "correct horse battery staple"

# Chance of the page's own: a draw comes as late as it may, 5 s after the start, and the step is known until then.
LATE_DRAWS = "Math.random = () => 0.999999"

# What a browser does to the timers of a hidden page: they fire once a minute.
SLOW_TIMERS = """(() => {
    const real = window.setTimeout;
    window.setTimeout = (run, ms = 0, ...args) => real(run, ms < 100 ? ms : Math.max(ms, 60_000), ...args);
})()"""

# Records each value and step that the page shows, with its time, from the moment it is called.
RECORD = """() => {
    const value = document.querySelector("[data-testid=value]");
    const step = document.querySelector("[data-testid=step]");
    window.shown = [];
    const note = () => window.shown.push(
        {at: performance.now(), value: Number(value.textContent), step: Number(step.textContent)});
    new MutationObserver(note).observe(value, {characterData: true, childList: true, subtree: true});
}"""


@dataclass(frozen=True)
class Person:
    name: str = "Ana"
    username: str = field(default_factory=lambda: f"ana-{secrets.token_hex(4)}")

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


async def register(page: Page, url: str, person: Person) -> None:
    """Without the form, which has tests of its own: it would wait for somebody to press the button again."""
    account = {"name": person.name, "username": person.username, "email": person.email, "password": PASSWORD}
    path, statuses = "register", [504]
    while statuses[-1] in MAY_BE_TRIED_AGAIN:
        answer = await page.request.post(f"{url}/api/auth/{path}", data=account, headers={"Origin": url})
        if answer.status == 409 and 504 in statuses[1:]:  # it was done, and not answered in time
            path, account = "login", {"username": person.username, "password": PASSWORD}
            continue
        statuses.append(answer.status)
    assert statuses[-1] == 200, await answer.text()
    await page.goto(f"{url}/numbers")


async def fill_registration(page: Page, person: Person) -> None:
    await page.get_by_label("Name", exact=True).fill(person.name)
    await page.get_by_label("Username", exact=True).fill(person.username)
    await page.get_by_label("E-mail", exact=True).fill(person.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create the account").click()


async def log_in(page: Page, username: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Username or e-mail").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("main").get_by_role("button", name="Log in").click()


async def role_is(page: Page, role: str) -> None:
    """Wait until the tab has this role: driver, mirror or waiting."""
    await page.locator(f"[data-testid=role][data-role={role}]").wait_for()


async def shown_values(page: Page, count: int) -> list[dict[str, float]]:
    """The next values that the page shows, each with its time in ms and the step beside it."""
    await page.evaluate(RECORD)
    await page.wait_for_function("count => window.shown.length >= count", arg=count)
    shown: list[dict[str, float]] = await page.evaluate("() => window.shown")
    return shown[:count]


async def value_of(page: Page) -> tuple[int, int]:
    """The value and the step that the page shows, once it shows any."""
    await page.wait_for_function(
        "() => /^[0-9]+$/.test(document.querySelector('[data-testid=value]')?.textContent ?? '')"
    )
    value, step = await page.evaluate(
        "() => ['value', 'step'].map(id => Number(document.querySelector(`[data-testid=${id}]`).textContent))"
    )
    return value, step
