"""Cookies that were made up, changed, lent or planted, and headers that only a proxy may send."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pulso.tokens import b64url_encode
from tests.abuse.conftest import Expect
from tests.abuse.target import PASSWORD, Account, Target
from tests.raw_http import ask, post, request

ME: Final = "/api/auth/me"
NAME: Final = "pulso_session="


def flipped(credential: str, at: int) -> str:
    """With another character there: one that the same bytes could not be written with."""
    other = "A" if credential[at] != "A" else "Q"
    return credential[:at] + other + credential[at + 1 :]


def renamed(credential: str) -> str:
    """A guest's credential that says another id, with the signature of the true one."""
    prefix, header, payload, signature = credential.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["sub"] = "u_admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return ".".join((prefix, header, forged, signature))


def halves(one: str, other: str) -> str:
    return one[: len(one) // 2] + other[len(other) // 2 :]


def of_another_pulso(credential: str) -> str:
    """What it says is right, and so is the signature, by somebody else's key."""
    content, _, _ = credential.rpartition(".")
    signature = Ed25519PrivateKey.generate().sign(content.rpartition("guest.")[2].encode())
    return f"{content}.{b64url_encode(signature)}"


TAMPERED: Final[dict[str, Callable[[str], str]]] = {
    "its first character changed": lambda value: flipped(value, 0),
    "a character in its middle changed": lambda value: flipped(value, len(value) // 2),
    "its first half": lambda value: value[: len(value) // 2],
    "its end cut off": lambda value: value[:-1],
    "itself twice": lambda value: value + value,
    "other capitals": str.swapcase,
    "quotation marks within": lambda value: value[:9] + '"' + value[9:],
    "NUL as an escape": lambda value: value + "%00",
    "spaces within": lambda value: value[:9] + " " + value[9:],
    "8 KB more": lambda value: value + "x" * 7000,
    "SQL": lambda _: "' OR '1'='1",
    "bytes": lambda _: "\udcff\udcfe",
    "nothing in it": lambda _: "",
}


@pytest.fixture(scope="module")
def owner(target: Target) -> Account:
    return target.user()


@pytest.fixture(scope="module")
def guest(target: Target) -> Account:
    return target.guest()


@pytest.mark.parametrize("kind", ["owner", "guest"])
@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
async def test_nobody_is_let_in_by_a_cookie_with(
    target: Target, expect: Expect, request_of: Account, change: Callable[[str], str]
) -> None:
    value = change(request_of.cookie.removeprefix(NAME))
    expect("401 unauthorized", str(await ask(target, request("GET", ME, {"Cookie": NAME + value}))))


@pytest.fixture
def request_of(kind: str, owner: Account, guest: Account) -> Account:
    return owner if kind == "owner" else guest


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(lambda owner, _: f"{NAME}{owner.token}", id="an access token"),
        pytest.param(lambda owner, _: f"{NAME}guest.{owner.token}", id="an access token as a guest's credential"),
        pytest.param(lambda _, guest: renamed(guest.cookie), id="another id in a guest's credential"),
        pytest.param(lambda owner, _: f"session={owner.cookie.removeprefix(NAME)}", id="the value, another name"),
        pytest.param(lambda owner, _: owner.cookie.replace("pulso", "__Host-pulso"), id="the name over TLS"),
        pytest.param(lambda owner, _: owner.cookie.replace("pulso", "PULSO"), id="a name in capitals"),
        pytest.param(lambda owner, _: f"x={owner.cookie}", id="the cookie within another"),
        pytest.param(lambda owner, guest: halves(owner.cookie, guest.cookie), id="halves of two cookies"),
        pytest.param(lambda _, guest: of_another_pulso(guest.cookie), id="a credential of another Pulso"),
    ],
)
async def test_nobody_is_let_in_by(
    target: Target, owner: Account, guest: Account, expect: Expect, cookie: Callable[[Account, Account], str]
) -> None:
    answer = await ask(target, request("GET", ME, {"Cookie": cookie(owner, guest)}))
    expect("401 unauthorized", str(answer))


async def test_a_cookie_is_no_access_token(target: Target, owner: Account, guest: Account, expect: Expect) -> None:
    for account in (owner, guest):
        value = account.cookie.removeprefix(NAME)
        answer = await ask(target, request("GET", ME, {"Authorization": f"Bearer {value}"}))
        assert str(answer) == "401 unauthorized"
    expect("401 unauthorized", str(answer))


async def test_a_session_that_was_planted_is_not_the_one_that_logs_in(target: Target, expect: Expect) -> None:
    """Session fixation: whoever knows the cookie from before has nothing of what came after."""
    victim, planted = target.user("planted"), target.guest()
    credentials = {"username": "planted", "password": PASSWORD}
    answer = await ask(target, post("/api/auth/login", credentials, {"Cookie": planted.cookie}))
    fresh = answer.headers["Set-Cookie"].partition(";")[0]
    assert fresh not in (planted.cookie, victim.cookie)
    before = (await ask(target, request("GET", ME, {"Cookie": planted.cookie}))).json
    expect("guest", before["kind"])


async def test_a_made_up_session_is_not_taken_up_by_who_logs_in(target: Target, expect: Expect) -> None:
    target.user("fixed")
    made_up = f"{NAME}{'A' * 43}"
    credentials = {"username": "fixed", "password": PASSWORD}
    await ask(target, post("/api/auth/login", credentials, {"Cookie": made_up}))
    expect("401 unauthorized", str(await ask(target, request("GET", ME, {"Cookie": made_up}))))


async def test_a_guests_cookie_from_before_is_over_once_the_guest_has_registered(
    target: Target, expect: Expect
) -> None:
    guest = target.guest()
    body = {"name": "Ana", "username": "wasguest", "email": "wasguest@example.com", "password": PASSWORD}
    assert (await ask(target, post("/api/auth/register", body, {"Cookie": guest.cookie}))).status == 200
    seen = [
        str(await ask(target, request("GET", ME, headers))) for headers in ({"Cookie": guest.cookie}, guest.bearer)
    ]
    expect(["401 unauthorized"] * 2, seen)


async def test_a_cookie_that_was_copied_ends_with_the_logout(target: Target, expect: Expect) -> None:
    victim = target.user()
    assert (await ask(target, post("/api/auth/logout", {}, {"Cookie": victim.cookie}))).status == 200
    seen = [
        str(await ask(target, request("GET", ME, headers)))
        for headers in ({"Cookie": victim.cookie}, victim.bearer)
    ]
    expect(["401 unauthorized"] * 2, seen)


async def test_a_cookie_says_how_little_may_be_done_with_it(target: Target, expect: Expect) -> None:
    answer = await ask(target, post("/api/auth/guest", {}))
    parts = {part.strip() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    expect({"HttpOnly", "Path=/", "SameSite=Lax"}, {part for part in parts if not part.startswith("Max-Age")})


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Forwarded-For": "203.0.113.9"}, id="X-Forwarded-For"),
        pytest.param({"X-Forwarded-For": "127.0.0.1, " * 600}, id="X-Forwarded-For of 6 KB"),
        pytest.param({"X-Forwarded-For": "' OR 1=1"}, id="X-Forwarded-For with SQL"),
        pytest.param({"X-Real-IP": "203.0.113.9"}, id="X-Real-IP"),
        pytest.param({"Forwarded": "for=203.0.113.9;proto=https;host=evil.example"}, id="Forwarded"),
        pytest.param({"X-Forwarded-Host": "evil.example"}, id="X-Forwarded-Host"),
        pytest.param({"X-Forwarded-Proto": "https"}, id="X-Forwarded-Proto"),
        pytest.param({"X-Forwarded-Port": "443", "X-Forwarded-Scheme": "https"}, id="X-Forwarded-Scheme"),
        pytest.param({"X-Original-URL": "/ops", "X-Rewrite-URL": "/ops"}, id="X-Original-URL"),
        pytest.param({"X-User": "root", "X-Remote-User": "root", "X-Admin": "1"}, id="X-Remote-User"),
    ],
)
async def test_what_only_a_proxy_may_say_is_not_believed(
    target: Target, expect: Expect, headers: dict[str, str]
) -> None:
    """Neither address, nor scheme, nor host, nor path; and the session list has the address that it came from."""
    victim = target.user()
    body = {"username": f"person{target.people}", "password": PASSWORD}
    answer = await ask(target, post("/api/auth/login", body, headers))
    cookie = answer.headers["Set-Cookie"]
    listed = await ask(target, request("GET", "/api/auth/sessions", {"Cookie": cookie.partition(";")[0]}))
    addresses = {session["address"] for session in listed.json["sessions"]}
    document = await ask(target, request("GET", "/api/asyncapi.json", headers))
    server = document.json["servers"]["pulso"]
    seen = (addresses, "Secure" in cookie, "Strict-Transport-Security" in answer.headers, server["host"])
    assert victim.id == answer.json["user"]["id"]
    expect(({"127.0.0.1"}, False, False, "pulso"), seen)
