"""A Pulso of these tests' own, without the limits that they would run into, and what it says of itself."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from tests.conftest import Stack, run_stack

Document = dict[str, Any]

JSON = "application/json"
ADMIN = "ana"  # the one whom the examples register
UNLIMITED = {
    f"PULSO_LIMIT_{limit}": "0"
    for limit in ("EVENTS_PER_SECOND", "GUESTS_PER_MINUTE", "LOGINS_PER_MINUTE", "REGISTRATIONS_PER_MINUTE")
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    yield from run_stack(PULSO_ADMINS=ADMIN, PULSO_BCRYPT_COST="4", PULSO_GRACE_SECONDS="1", **UNLIMITED)


@pytest.fixture(scope="module")
def openapi(stack: Stack) -> Document:
    return fetched(f"{stack.url}/api/openapi.json")


@pytest.fixture(scope="module")
def asyncapi(stack: Stack) -> Document:
    return fetched(f"{stack.url}/api/asyncapi.json")


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def fetched(url: str) -> Document:
    with urllib.request.urlopen(url) as answer:
        document: Document = json.load(answer)
    return document


async def signed_in(http: aiohttp.ClientSession, openapi: Document) -> str:
    """The access token of a new session of whom the examples speak; registered where that was not done yet."""
    for route in ("login", "register"):
        operation = openapi["paths"][f"/api/auth/{route}"]["post"]
        async with http.post(
            f"/api/auth/{route}", json=operation["requestBody"]["content"][JSON]["example"]
        ) as answer:
            if answer.status == 200:
                return str((await answer.json())["access_token"])
    raise AssertionError("the examples of register and login do not work")


def resolved(node: Document, document: Document) -> Document:
    """What a reference stands for; the node itself where it is none."""
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check(value: Any, schema: Document, document: Document) -> None:
    """Fails where the value is not what the schema describes."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found is not None, "Node.js is needed; `make setup` brings it"
    return found
