"""The pages by themselves, without a gateway: language, policy, where a login leads, what is not there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from services.auth.contract import User
from services.gateway.assets import setup_assets
from services.gateway.pages import safe_next, setup_pages

FRONTEND = Path(__file__).parents[2] / "frontend"
ANA = User("u_1", "Ana", "user")
RUI = User("g_1", "Guest 7KQ2", "guest")
HTML = {"Accept": "text/html,application/xhtml+xml"}

Client = TestClient[web.Request, web.Application]
Serve = Callable[[User | None], Awaitable[Client]]


@pytest.fixture
def serve(aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Serve:
    async def start(user: User | None) -> Client:
        async def visitor(_: web.Request) -> User | None:
            return user

        async def broken(_: web.Request) -> web.Response:
            raise RuntimeError("broken")

        app = web.Application()
        setup_assets(app, frontend=FRONTEND)
        setup_pages(app, frontend=FRONTEND, visitor=visitor)
        app.router.add_get("/broken", broken)
        return await aiohttp_client(app)

    return start


@pytest.mark.parametrize(
    ("cookie", "accepted", "lang"),
    [
        (None, None, "en"),
        (None, "pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        (None, "pt-PT", "pt-BR"),
        (None, "en;q=0.4, pt;q=0.5", "pt-BR"),
        (None, "pt;q=0, en", "en"),
        (None, "de, fr;q=0.9", "en"),
        (None, "de, pt;q=0.1", "pt-BR"),
        (None, ";;q=,,pt;q=x", "en"),
        ("pt-BR", "en", "pt-BR"),
        ("en", "pt-BR", "en"),
        ("xx", "pt-BR", "pt-BR"),
    ],
)
async def test_the_language_is_the_chosen_one_else_an_accepted_one(
    serve: Serve, cookie: str | None, accepted: str | None, lang: str
) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    if cookie is not None:
        headers["Cookie"] = f"lang={cookie}"
    page = await (await serve(None)).get("/login", headers=headers)
    assert f'<html lang="{lang}"' in await page.text()


async def test_choosing_a_language_keeps_the_rest_of_the_address(serve: Serve) -> None:
    client = await serve(None)
    answer = await client.get("/login?next=/numbers&lang=pt-BR", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/login?next=/numbers")
    assert answer.cookies["lang"].value == "pt-BR"


async def test_the_policy_allows_the_import_map_and_no_other_inline_script(serve: Serve) -> None:
    for path in ("/", "/login", "/register", "/numbers", "/chat", "/fibonacci"):
        page = await (await serve(RUI)).get(path)
        text = await page.text()
        policy = page.headers["Content-Security-Policy"]
        inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>(.*?)</script>", text, re.DOTALL)
        assert [kind for kind, _ in inline] == [' type="importmap"', ' type="application/json" id="page-data"']
        digest = base64.b64encode(hashlib.sha256(inline[0][1].encode()).digest()).decode()
        assert f"script-src 'self' 'sha256-{digest}';" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert " style=" not in text
        assert page.headers["Cache-Control"] == "no-store"


async def test_names_cannot_leave_their_place_in_the_page(serve: Serve) -> None:
    evil = "</script><script>alert(1)</script><!-- &"
    text = await (await (await serve(User("u_1", evil, "user"))).get("/numbers")).text()
    assert "<script>alert" not in text
    data = re.search(r'id="page-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["user"]["name"] == evil


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        (None, "/numbers"),
        ("", "/numbers"),
        ("/", "/"),
        ("/chat?room=sala-1", "/chat?room=sala-1"),
        ("//example.com", "/numbers"),
        ("/\\example.com", "/numbers"),
        ("/\t/example.com", "/numbers"),
        ("/\n/example.com", "/numbers"),
        ("https://example.com", "/numbers"),
        ("javascript:alert(1)", "/numbers"),
        ("numbers", "/numbers"),
        ("/a\r\nSet-Cookie: x=1", "/numbers"),
        ("/login", "/numbers"),
        ("/register?next=/login", "/numbers"),
    ],
)
def test_next_leads_to_this_site_only(wanted: str | None, reached: str) -> None:
    assert safe_next(wanted) == reached


async def test_who_is_logged_in_skips_login_and_registration(serve: Serve) -> None:
    client = await serve(ANA)
    for path, reached in (
        ("/login", "/numbers"),
        ("/register?next=/", "/"),
        ("/login?next=//example.com", "/numbers"),
    ):
        answer = await client.get(path, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (302, reached)


async def test_a_guest_may_log_in(serve: Serve) -> None:
    assert (await (await serve(RUI)).get("/login", allow_redirects=False)).status == 200


async def test_without_an_identity_the_numbers_lead_to_login_and_the_landing_page_says_why(serve: Serve) -> None:
    client = await serve(None)
    answer = await client.get("/numbers", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/login?next=/numbers")
    text = await (await client.get("/")).text()
    assert "Members only" in text
    assert "landing.js" not in re.sub(r'<script type="importmap">.*?</script>', "", text)


async def test_the_landing_page_leads_members_to_the_rooms_and_guests_are_told_who_may_enter(serve: Serve) -> None:
    assert '<a class="button is-main" href="/chat">' in await (await (await serve(ANA)).get("/")).text()
    assert 'id="chat"' in await (await (await serve(ANA)).get("/chat")).text()
    gate = await (await (await serve(RUI)).get("/chat")).text()
    assert "The rooms are for members" in gate
    assert 'id="chat"' not in gate


async def test_the_log_is_for_admins_alone(serve: Serve) -> None:
    for user, status in ((RUI, 403), (ANA, 403), (User("u_2", "Bruno", "admin"), 200)):
        client = await serve(user)
        assert (await client.get("/log", headers=HTML)).status == status
    answer = await (await serve(None)).get("/log", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/login?next=/log")


async def test_people_get_a_page_for_what_is_missing_and_programs_a_status(serve: Serve) -> None:
    client = await serve(None)
    page = await client.get("/nothing-here", headers=HTML)
    assert (page.status, page.content_type) == (404, "text/html")
    assert "There is nothing here" in await page.text()
    for path, headers in (("/nothing-here", {"Accept": "*/*"}), ("/api/nothing", HTML)):
        answer = await client.get(path, headers=headers)
        assert (answer.status, answer.content_type) == (404, "text/plain")


async def test_people_get_a_page_for_what_broke(serve: Serve) -> None:
    page = await (await serve(None)).get("/broken", headers=HTML)
    assert page.status == 500
    assert "A missed beat" in await page.text()


async def test_every_address_in_a_page_is_served(serve: Serve) -> None:
    client = await serve(RUI)
    for path in ("/", "/numbers", "/chat", "/fibonacci", "/login", "/register"):
        text = await (await client.get(path)).text()
        addresses = set(re.findall(r'"(/assets/[^"]+\?v=[0-9a-f]+)"', text))
        assert addresses
        for address in addresses:
            answer = await client.get(address)
            assert answer.status == 200, address
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_asset_without_its_version_is_asked_for_again(serve: Serve) -> None:
    client = await serve(None)
    first = await client.get("/assets/js/socket.js")
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    for address in ("/assets/js/socket.js", "/assets/js/socket.js?v=000000000000"):
        assert (await client.get(address)).headers["Cache-Control"] == "no-cache"
    again = await client.get("/assets/js/socket.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "",
        "js",
        "js/",
        "js/nothing.js",
        "..%2fpackage.json",
        "js%2f..%2f..%2fpackage.json",
        "%2fetc%2fpasswd",
        ".%00",
        "js/.x",
        "js/socket.js/",
        "js//socket.js",
        "x" * 300,
    ],
)
async def test_what_is_no_asset_is_not_found(serve: Serve, path: str) -> None:
    client = await serve(None)
    answer = await client.get(URL(f"/assets/{path}", encoded=True))
    assert answer.status == 404
