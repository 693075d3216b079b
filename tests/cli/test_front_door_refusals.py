"""What nginx itself refuses: in the words and codes of the API, with the headers that harden. A real nginx."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

from cli.child import kept_running
from cli.data_folder import DataFolder
from cli.front_door import Front, nginx_program
from pulso.errors import CODES
from tests.conftest import free_port
from tests.raw_http import ask, request
from tests.test_headers import ON_EVERY_RESPONSE

PERSON: Final = {"Accept": "text/html,application/xhtml+xml;q=0.9"}
LONG: Final = "a" * 40_000
BODY: Final = b"x" * 70_000
SENT: Final = b"{}"


class Nginx(NamedTuple):
    host: str
    port: int


async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serves the front page; closes on whoever asks for something else, or says nothing: /.../silent."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif b"silent" in head.splitlines()[0]:
            await reader.read()  # until nginx has had enough
    writer.close()


@contextlib.asynccontextmanager
async def in_front_of_nobody(folder: DataFolder) -> AsyncIterator[Nginx]:
    """An nginx that waits for an answer no longer than a second."""
    async with await asyncio.start_server(gateway, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        front = Front("127.0.0.1", free_port(), (port,), folder.folder("uploads"), 1, ())
        program = nginx_program(folder, front)
        config = Path(program.arguments[-1])
        impatient = re.sub(r"proxy_read_timeout \d+s;", "proxy_read_timeout 1s;", config.read_text("utf-8"))
        config.write_text(impatient, "utf-8")
        async with kept_running(program):
            yield Nginx(front.host, front.port)


REFUSED: Final = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\xfc\r\n\r\n", "400 bad_request"),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", "400 bad_request"),
    "two lengths": (b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                    "400 bad_request"),
    "out of the folder": (request("GET", "/static/..%2f..%2fx"), "400 bad_request"),
    "too long an address": (request("GET", f"/{LONG}"), "414 too_large"),
    "too large a cookie": (request("GET", "/", {"Cookie": LONG}), "431 too_large"),
    "too large a body": (request("POST", "/api/auth/login", {}, BODY), "413 too_large"),
    "too large a body of a page": (request("POST", "/login", {}, BODY), "413 too_large"),
    "too large a packet": (request("POST", "/socket.io/?EIO=4&transport=polling", {"Content-Length": "2000000"}),
                           "413 too_large"),
    "too large an upload": (request("POST", "/api/chat/files", {"Content-Length": str(1 << 40)}), "413 too_large"),
    "an unknown coding": (request("POST", "/api/x", {"Transfer-Encoding": "gzip"}), "501 bad_request"),
    "an unknown version": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 bad_request"),
    "TRACE": (request("TRACE", "/"), "405 not_found"),
    "a changed asset": (request("POST", "/assets/js/site.js", {}, b""), "405 not_found"),
    "no asset": (request("GET", "/assets/js/nothing.js"), "404 not_found"),
    "no upload": (request("GET", "/static/nothing.png"), "404 not_found"),
    "what is our own": (request("GET", "/unread"), "404 not_found"),
    "a gateway that dies, API": (request("POST", "/api/auth/login", {}, SENT), "503 unavailable"),
    "a gateway that dies, read": (request("GET", "/api/clock/now"), "503 unavailable"),
    "a gateway that dies, upload": (request("POST", "/api/chat/files", {}, SENT), "503 unavailable"),
    "a gateway that dies, polling": (request("GET", "/socket.io/?EIO=4&transport=polling"), "503 unavailable"),
    "a gateway that dies, page": (request("GET", "/login"), "503"),
    "a gateway that hangs, API": (request("POST", "/api/silent", {}, SENT), "504 timeout"),
    "a gateway that hangs, polling": (request("GET", "/socket.io/?silent"), "503 unavailable"),
    "a gateway that hangs, page": (request("GET", "/silent"), "503"),
    "too large a cookie of a person": (request("GET", "/", {**PERSON, "Cookie": LONG}), "431"),
    "too large a body of a person": (request("POST", "/login", PERSON, BODY), "413"),
    "no upload, for a person": (request("GET", "/static/nothing.png", PERSON), "404"),
}  # fmt: skip


async def test_whatever_nginx_refuses_is_said_in_our_words_with_all_headers(folder: DataFolder) -> None:
    wrong = []
    async with in_front_of_nobody(folder) as nginx:
        for name, (data, expected) in REFUSED.items():
            answer = await ask(nginx, data)
            headers = answer.headers
            missing = [header for header in ON_EVERY_RESPONSE if len(headers.getall(header, [])) != 1]
            kind = headers.get("Content-Type", "").partition(";")[0]
            is_ours = answer.code in CODES if kind == "application/json" else b'<html lang="en">' in answer.body
            if str(answer) != expected or missing or not is_ours or b"nginx" in answer.body:
                wrong.append((name, str(answer), missing, kind, answer.body))
    assert wrong == []
