"""What the tools of the field say of the documents, and of the server by them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
from openapi_spec_validator import validate

from tests.conftest import Stack
from tests.documents.conftest import Document, fetched, node, signed_in

HERE = Path(__file__).parent
GENERATED_FOR_S = 30
MAX_LINE_CHARS = 300  # what was generated may be long


def test_the_http_document_is_valid_openapi(openapi: Document) -> None:
    assert openapi["openapi"].startswith("3.1.")
    validate(openapi)


async def test_the_parser_has_nothing_to_say_of_the_socket_document(stack: Stack) -> None:
    process = await asyncio.create_subprocess_exec(
        node(), str(HERE / "check-asyncapi.mjs"), f"{stack.url}/api/asyncapi.json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert json.loads(said) == {"isAsyncApi": True, "diagnostics": []}


async def test_whatever_is_sent_by_the_document_is_answered_by_it(
    stack: Stack, http: aiohttp.ClientSession, openapi: Document, tmp_path: Path
) -> None:
    """Schemathesis: examples, edges and nonsense, for a bounded time; as an admin, whose session must last."""
    token = await signed_in(http, openapi)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml"),
        "run", f"{stack.url}/api/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--max-time", str(GENERATED_FOR_S),
        "--max-examples", "10", "--generation-with-security-parameters", "false",
        "--generation-deterministic", "--no-color", "--warnings", "off",
        "--exclude-operation-id-regex", "^auth-logout",
        cwd=tmp_path, env={**os.environ, "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, "\n".join(line[:MAX_LINE_CHARS] for line in said.decode().splitlines())


def test_a_document_that_has_not_changed_is_not_sent_again(stack: Stack) -> None:
    for name in ("openapi", "asyncapi"):
        url = f"{stack.url}/api/{name}.json"
        with urllib.request.urlopen(url) as answer:
            tag = answer.headers["ETag"]
        again = urllib.request.Request(url, headers={"If-None-Match": tag})
        try:
            urllib.request.urlopen(again)
            raise AssertionError("sent again")
        except urllib.error.HTTPError as unchanged:
            assert unchanged.code == 304


def test_the_document_names_the_host_it_was_asked_at(stack: Stack) -> None:
    server = fetched(f"{stack.url}/api/asyncapi.json")["servers"]["pulso"]
    assert (server["host"], server["protocol"]) == (stack.url.removeprefix("http://"), "ws")
