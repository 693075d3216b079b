"""What other sites make a browser send: every route that changes something refuses it, and nothing is changed."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import ask, post, request

CROSS_SITE: Final = {
    "an Origin elsewhere": {"Origin": "http://evil.example"},
    "Origin null": {"Origin": "null"},
    "an Origin that begins like ours": {"Origin": "http://pulso.evil.example"},
    "an Origin of another port": {"Origin": "http://pulso:1"},
    "an Origin over TLS": {"Origin": "https://pulso"},
    "an empty Origin": {"Origin": ""},
    "Sec-Fetch-Site cross-site": {"Sec-Fetch-Site": "cross-site"},
    "Sec-Fetch-Site same-site": {"Sec-Fetch-Site": "same-site"},
    "Sec-Fetch-Site that nobody knows": {"Sec-Fetch-Site": "ours"},
    "our Sec-Fetch-Site, an Origin elsewhere": {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    "a forged X-Forwarded-Host": {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
}
NUMBERS: Final = "/api/numbers/set"


@pytest.fixture(scope="module")
def posts(target: Target) -> list[str]:
    """Every route that a POST goes to, by the target's own document."""
    document = target.json("/api/openapi.json")
    found = [path for path, methods in document["paths"].items() if "post" in methods]
    assert len(found) > 15
    return found


@pytest.fixture(scope="module")
def victim(target: Target) -> Account:
    return target.user()


@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
async def test_every_post_is_refused_with(
    target: Target, posts: list[str], victim: Account, expect: Expect, headers: dict[str, str]
) -> None:
    seen = set()
    for path in posts:
        answer = await ask(target, post(path, {}, {"Cookie": victim.cookie, **headers}))
        seen.add(str(answer))
        assert "Set-Cookie" not in answer.headers
    expect({"403 forbidden"}, seen)
    # Neither logout has been done.
    assert (await ask(target, request("GET", "/api/auth/me", {"Cookie": victim.cookie}))).status == 200


@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
async def test_nobody_is_logged_in_by_another_site_with(
    target: Target, expect: Expect, headers: dict[str, str]
) -> None:
    """Else whoever is lured there would work in the attacker's account without a notice."""
    for path, body in (
        ("/api/auth/guest", {"name": "Rui"}),
        ("/api/auth/login", {"username": "person1", "password": "correct horse battery"}),
    ):
        answer = await ask(target, post(path, body, headers))
        assert "Set-Cookie" not in answer.headers
        assert str(answer) == "403 forbidden"
    expect("403 forbidden", str(answer))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "http://pulso"}, id="our own Origin"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, id="our own page by Sec-Fetch-Site"),
        pytest.param({}, id="neither, as programs have it"),
    ],
)
async def test_what_is_ours_passes_with(
    target: Target, victim: Account, expect: Expect, headers: dict[str, str]
) -> None:
    answer = await ask(target, post(NUMBERS, {"value": 5}, {"Cookie": victim.cookie, **headers}))
    expect(200, answer.status)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
    ids=["text/plain", "a form", "a multipart form"],
)
async def test_what_a_form_of_another_site_can_send_changes_nothing_as(
    target: Target, posts: list[str], victim: Account, expect: Expect, content_type: str
) -> None:
    """Even where the browser is so old that it says of neither Origin nor site."""
    seen = set()
    for path in posts:
        if path.endswith(("/files", "/logout", "/logout-all")):
            continue  # one takes forms, the others no body
        headers = {"Cookie": victim.cookie, "Content-Type": content_type}
        seen.add(str(await ask(target, post(path, b'{"value":5,"x":"="}', headers))))
    assert seen <= {"400 bad_request", "401 unauthorized"}, seen
    expect("no 200", "no 200" if not any(answer.startswith("200") for answer in seen) else seen)


async def test_a_get_changes_nothing_on_any_route(target: Target, victim: Account, expect: Expect) -> None:
    """A picture on another site would be enough: SameSite=Lax lets cookies go with a link that is followed."""
    document = target.json("/api/openapi.json")
    changing = [path for path, methods in document["paths"].items() if "get" not in methods]
    assert "/api/auth/logout" in changing
    seen = set()
    for path in changing:
        for method in ("GET", "HEAD"):
            answer = await ask(target, request(method, f"{path}?value=5&name=x", {"Cookie": victim.cookie}))
            seen.add(answer.status)
            assert "Set-Cookie" not in answer.headers
    expect({404}, seen)
    assert (await ask(target, request("GET", "/api/auth/me", {"Cookie": victim.cookie}))).status == 200


async def test_a_bearer_token_is_no_reason_to_believe_a_cookie_beside_it(
    target: Target, victim: Account, expect: Expect
) -> None:
    """A request with a token is let through whatever its Origin; so the token alone says who it is."""
    headers = {"Cookie": victim.cookie, "Authorization": "Bearer x.y.z", "Origin": "http://evil.example"}
    answers: list[Any] = [
        str(await ask(target, post(path, {}, headers))) for path in ("/api/auth/token", "/api/auth/sessions")
    ]
    expect(["401 unauthorized"] * 2, answers)
