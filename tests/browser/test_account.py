"""Registering and logging in, as people meet it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenBrowser
from tests.browser.people import Person, fill_registration, log_in, register
from tests.conftest import Stack, run_stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_registering_opens_the_numbers_under_the_own_name(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await register(page, stack.url, Person(name="Ana Souza"))
    await expect(page.get_by_test_id("who")).to_contain_text("Ana Souza")


async def test_a_taken_username_is_told_at_its_field(stack: Stack, open_browser: OpenBrowser) -> None:
    taken = Person()
    await register(await (await open_browser()).new_page(), stack.url, taken)
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/register")
    await fill_registration(page, Person(username=taken.username))
    field = page.get_by_label("Username", exact=True)
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_be_focused()
    await expect(page.locator("#username-fault")).to_contain_text("taken")


async def test_an_address_with_an_account_is_told_at_its_field(stack: Stack, open_browser: OpenBrowser) -> None:
    taken = Person()
    await register(await (await open_browser()).new_page(), stack.url, taken)
    page = await (await open_browser(locale="pt-BR")).new_page()
    await page.goto(f"{stack.url}/register")
    for label, text in (
        ("Nome", "Rui"),
        ("Usuário", Person().username),
        ("E-mail", taken.email),
        ("Senha", "x" * 12),
    ):
        await page.get_by_label(label, exact=True).fill(text)
    await page.get_by_role("button", name="Criar a conta").click()
    await expect(page.locator("#email-fault")).to_contain_text("Já existe uma conta")


async def test_empty_fields_are_all_named_and_the_first_gets_the_focus(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/register")
    await page.get_by_role("button", name="Create the account").click()
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert await page.locator("[aria-invalid=true]").count() == 4


async def test_a_wrong_password_is_told_and_the_form_can_be_sent_again(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    person = Person()
    await register(await (await open_browser()).new_page(), stack.url, person)
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/login")
    await log_in(page, person.username, "not the password")
    await expect(page.get_by_role("main").get_by_role("alert")).not_to_be_empty()
    await log_in(page, person.username)
    await page.wait_for_url(f"{stack.url}/numbers")


async def test_login_goes_where_the_visitor_wanted_to_and_nowhere_else(
    stack: Stack, open_browser: OpenBrowser
) -> None:
    person = Person()
    await register(await (await open_browser()).new_page(), stack.url, person)
    for wanted, reached in (("/?from=login", "/?from=login"), ("//example.com", "/numbers")):
        page = await (await open_browser()).new_page()
        await page.goto(f"{stack.url}/login?next={wanted}")
        await log_in(page, person.username)
        await page.wait_for_url(f"{stack.url}{reached}")


async def test_who_is_logged_in_is_sent_on_from_the_login_page(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await register(page, stack.url, Person())
    await page.goto(f"{stack.url}/login")
    assert page.url == f"{stack.url}/numbers"


async def test_the_password_can_be_shown(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/login")
    field = page.get_by_label("Password", exact=True)
    await field.fill("secret words")
    await page.get_by_role("button", name="Show password").click()
    await expect(field).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Hide password").click()
    await expect(field).to_have_attribute("type", "password")


async def test_language_and_colours_are_remembered(stack: Stack, open_browser: OpenBrowser) -> None:
    page = await (await open_browser()).new_page()
    await page.goto(f"{stack.url}/login")
    await page.get_by_role("link", name="Português").click()
    await expect(page.get_by_role("heading", name="Entrar")).to_be_visible()
    await page.get_by_role("radio", name="Escuro").check()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(page.locator("html")).to_have_attribute("data-scheme", "dark")
    assert await page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "dark"


async def test_without_guests_the_landing_page_asks_to_log_in(open_browser: OpenBrowser) -> None:
    for closed in run_stack(PULSO_GUESTS="off"):
        page = await (await open_browser()).new_page()
        await page.goto(closed.url)
        await expect(page.get_by_role("heading", name="Members only")).to_be_visible()
        await page.goto(f"{closed.url}/numbers")
        assert page.url == f"{closed.url}/login?next=/numbers"
