"""Every example of both documents is sent to a running Pulso, over HTTP and over a socket, and is as described."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.admission import admitted
from tests.conftest import Stack
from tests.documents.conftest import JSON, Document, check, resolved, signed_in
from tests.services.gateway.conftest import Client

FORM = "multipart/form-data"
PUBLIC = "public"  # what the gateway answers by itself: keys and documents, which take nothing


def operations(openapi: Document) -> list[tuple[str, str, Document]]:
    """Method, path and operation, in the order of the document: accounts first."""
    return [
        (method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]


async def send(
    http: aiohttp.ClientSession, openapi: Document, method: str, path: str, operation: Document
) -> tuple[int, Any]:
    """Send an operation's example; by whoever is signed in, where the operation is not for signing in itself."""
    signs_in = path in ("/api/auth/register", "/api/auth/login", "/api/auth/guest")
    headers = {} if signs_in else {"Authorization": f"Bearer {await signed_in(http, openapi)}"}
    how: dict[str, Any] = {"params": {p["name"]: str(p["example"]) for p in parameters(operation)}}
    content = operation.get("requestBody", {}).get("content", {})
    if JSON in content:
        how["json"] = content[JSON]["example"]
    elif FORM in content:
        how["data"] = _two_files()
    async with http.request(method, path, headers=headers, **how) as answer:
        return answer.status, await answer.json()


def _two_files() -> aiohttp.FormData:
    """There is no example of a file's bytes: any two will do."""
    form = aiohttp.FormData()
    for name in ("one.txt", "two.txt"):
        form.add_field("files", name.encode(), filename=name)
    return form


def parameters(operation: Document) -> list[Document]:
    return [parameter for parameter in operation.get("parameters", []) if "example" in parameter]


def check_answer(openapi: Document, operation: Document, status: int, body: Any) -> None:
    answer = resolved(operation["responses"][str(status)], openapi)
    check(body, answer["content"][JSON]["schema"], openapi)


def test_every_endpoint_and_every_event_has_an_example(openapi: Document, asyncapi: Document) -> None:
    for _, path, operation in operations(openapi):
        if operation["tags"] != [PUBLIC]:
            assert all("example" in operation["responses"][done]["content"][JSON] for done in _done(operation)), (
                path
            )
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                assert "example" in content or kind == FORM, path
    for name, message in asyncapi["components"]["messages"].items():
        assert message.get("examples"), name


def test_every_example_is_what_its_schema_says(openapi: Document, asyncapi: Document) -> None:
    for _, _, operation in operations(openapi):
        for parameter in parameters(operation):
            check(parameter["example"], parameter["schema"], openapi)
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for body in [*bodies, *(resolved(answer, openapi) for answer in operation["responses"].values())]:
            content = body["content"].get(JSON, {})
            if "example" in content:
                check(content["example"], content["schema"], openapi)
    for message in asyncapi["components"]["messages"].values():
        for example in message["examples"]:
            check(example["payload"], message["payload"], asyncapi)


async def test_every_example_is_answered_as_described(
    stack: Stack, http: aiohttp.ClientSession, openapi: Document, asyncapi: Document
) -> None:
    """In the order of the contracts, so that an example may build on what those before it did."""
    by_http = {(method, path): operation for method, path, operation in operations(openapi)}
    asked = {channel: operation for channel, operation in asyncapi["operations"].items() if "reply" in operation}
    paths = {channel: f"/api/{channel.replace('.', '/', 1)}" for channel in asked}
    for (method, path), operation in by_http.items():
        if path not in paths.values():
            await _check_http(http, openapi, method, path, operation)
    client = Client()
    await client.socket.connect(stack.url, auth={"token": await signed_in(http, openapi)})
    try:
        await client.hears("session:ready")
        for name in asked:
            await _check_socket(client, asyncapi, name)
            for method in ("get", "post"):
                if operation := by_http.get((method, paths[name])):
                    await _check_http(http, openapi, method, paths[name], operation)
    finally:
        await client.socket.disconnect()
    _check_told(client, asyncapi)


async def test_what_comes_by_itself_is_described(
    stack: Stack, http: aiohttp.ClientSession, openapi: Document, asyncapi: Document
) -> None:
    """Whoever watches everything is told of people, numbers, sales and the time."""
    client, other = Client(), Client()
    await client.socket.connect(stack.url, auth={"token": await signed_in(http, openapi)})
    try:
        for service in ("numbers", "presence", "sales"):
            await client.call(f"{service}:watch")
        await other.socket.connect(stack.url, auth={"token": await _guest(http)})
        await other.hears("session:ready")
        await client.hears("presence:joined")
        await other.socket.disconnect()
        expected = [
            "presence:left",
            "presence:changed",
            "numbers:value",
            "numbers:board",
            "clock:tick",
            "sales:record",
        ]
        await asyncio.gather(*(client.hears(event) for event in expected))
    finally:
        await client.socket.disconnect()
    _check_told(client, asyncapi)


async def test_failures_are_as_described(http: aiohttp.ClientSession, openapi: Document) -> None:
    operation = openapi["paths"]["/api/numbers/set"]["post"]
    token = await signed_in(http, openapi)
    cases = [(None, {"value": 37}, 401), ("forged", {"value": 37}, 401), (token, {"value": 100}, 400)]
    for bearer, body, status in cases:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        async with http.post("/api/numbers/set", json=body, headers=headers) as answer:
            assert answer.status == status
            check_answer(openapi, operation, status, await answer.json())
            documented = resolved(operation["responses"][str(status)], openapi)["headers"]
            for name, header in documented.items():
                assert name in answer.headers or not resolved(header, openapi).get("required")


async def _check_http(
    http: aiohttp.ClientSession, openapi: Document, method: str, path: str, operation: Document
) -> None:
    status, body = await send(http, openapi, method, path, operation)
    # Whom the example registers is there already where another test has signed in; nobody has sent that file.
    also = {"/api/auth/register": "409", "/static/{name}": "404"}.get(path)
    wanted = {*_done(operation), *([also] if also else [])}
    assert str(status) in wanted, (method, path, body)
    check_answer(openapi, operation, status, body)


def _done(operation: Document) -> list[str]:
    return [status for status in operation["responses"] if status.startswith("2")]


async def _check_socket(client: Client, asyncapi: Document, name: str) -> None:
    channel = asyncapi["channels"][name]
    request, ack = (resolved(channel["messages"][which], asyncapi) for which in ("request", "ack"))
    for example in request["examples"]:
        answer = await client.call(channel["address"], example["payload"])
        check(answer, ack["payload"], asyncapi)


def _check_told(client: Client, asyncapi: Document) -> None:
    """Nothing was told that is not described."""
    sent = {
        message["name"]: message["payload"]
        for operation in asyncapi["operations"].values()
        if operation["action"] == "send"
        for message in (resolved(reference, asyncapi) for reference in operation["messages"])
    }
    for event, payload in client.told:
        assert event in sent
        check(payload, sent[event], asyncapi)


async def _guest(http: aiohttp.ClientSession) -> str:
    async with admitted(http, "/api/auth/guest") as answer:
        return str((await answer.json())["access_token"])
