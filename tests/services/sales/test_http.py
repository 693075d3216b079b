"""The feed over HTTP: an access token and nothing else opens it, and every refusal looks the same."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.rows import rows
from tests.services.sales.conftest import Shop
from tests.services.sales.made import append, sale
from tests.waiting import eventually

RECORDS = "/api/sales/records"
SUMMARY = "/api/sales/summary"


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def forged(token: str, **claims: Any) -> str:
    """A token as auth makes it, but signed by somebody else."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = Ed25519PrivateKey.generate()
    return jwt.encode({**claims_of(token), **claims}, key, algorithm="EdDSA", headers={"kid": kid})


def unsigned(token: str) -> str:
    return jwt.encode(claims_of(token), None, algorithm="none")


async def test_a_token_opens_the_feed(shop: Shop) -> None:
    append(shop.source, sold := sale())
    token = await shop.token()

    async def page() -> Any:
        status, body = await shop.get(f"{RECORDS}?after=&limit=5&wait=5", token)
        assert status == 200, body
        return body if body["records"] else None

    body = await eventually(page)
    assert body["records"] == [sold]
    status, empty = await shop.get(f"{RECORDS}?after={body['next']}", token)
    assert (status, empty) == (200, {"records": [], "next": body["next"]})
    status, summary = await shop.get(f"{SUMMARY}?minutes=15", token)
    assert (status, len(summary["series"]), summary["latest"]) == (200, 15, [sold])


@pytest.mark.parametrize("path", [RECORDS, SUMMARY, f"{RECORDS}?after=junk&limit=0", f"{RECORDS}?limit=1&limit=2"])
async def test_every_refusal_of_a_token_is_the_same(shop: Shop, path: str) -> None:
    token = await shop.token()
    claims = claims_of(token)
    header, body, signature = token.split(".")
    answers = [
        await shop.get(path),
        await shop.get(path, ""),
        await shop.get(path, "nonsense"),
        await shop.get(path, forged(token)),
        await shop.get(path, forged(token, exp=int(time.time()) + 10**6, kind="admin")),
        await shop.get(path, forged(token, exp=int(time.time()) - 10)),
        await shop.get(path, forged(token, aud="another")),
        await shop.get(path, unsigned(token)),
        await shop.get(path, jwt.encode(claims, "x" * 32, algorithm="HS256")),
        await shop.get(path, f"{header}.{body}."),
        await shop.get(path, f"{header}.{body}.{signature[::-1]}"),
        await shop.get(path, Authorization=f"Basic {token}"),
        await shop.get(path, Authorization=token),
    ]
    assert answers == [(401, {"error": {"code": "unauthorized", "message": "Sign in first."}})] * len(answers)


async def test_a_cookie_is_not_enough(shop: Shop) -> None:
    async with shop.http.post(f"{shop.url}/api/auth/guest", json={}) as response:
        cookie = response.cookies["pulso_session"].value
    assert (await shop.get("/api/auth/me", Cookie=f"pulso_session={cookie}"))[0] == 200
    assert (await shop.get(RECORDS, Cookie=f"pulso_session={cookie}"))[0] == 401


async def test_the_token_of_an_ended_session_is_refused_at_once(shop: Shop) -> None:
    token = await shop.token()
    assert (await shop.get(RECORDS, token))[0] == 200
    headers = {"Authorization": f"Bearer {token}"}
    async with shop.http.post(f"{shop.url}/api/auth/logout", json={}, headers=headers) as response:
        assert response.status == 200
    assert (await shop.get(RECORDS, token))[0] == 401


@rows(
    "query",
    [
        "after=junk", "after=%00", "limit=0", "limit=1001", "limit=-1", "limit=1.5", "limit=ten", "limit=",
        "wait=31", "wait=-1", "wait=nan", "wait=inf", "wait=soon", "unknown=1", "limit=1&limit=2",
    ],
)  # fmt: skip
async def test_junk_in_the_query_is_refused(shop: Shop, query: str) -> None:
    status, body = await shop.get(f"{RECORDS}?{query}", await shop.token())
    assert (status, body["error"]["code"]) == (400, "bad_request")


async def test_a_401_says_what_would_do(shop: Shop) -> None:
    async with shop.http.get(f"{shop.url}{RECORDS}") as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
