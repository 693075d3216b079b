"""`pulso client` in a pipe and on a terminal, beside a whole running Pulso."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import termios
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from tests.admission import admitted
from tests.commands import Command, command
from tests.conftest import Stack
from tests.waiting import eventually

PASSWORD = "correct horse battery"
CYCLOPTS_USAGE = 2


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def registered(http: aiohttp.ClientSession, username: str) -> str:
    """An access token of a new account."""
    wanted = {
        "name": username.title(), "username": username, "email": f"{username}@example.com", "password": PASSWORD
    }  # fmt: skip
    async with admitted(http, "/api/auth/register", json=wanted) as response:
        body: dict[str, Any] = await response.json()
        assert response.status == 200, body
        return str(body["access_token"])


async def test_ticks_numbers_and_answers_come_line_by_line_as_json(stack: Stack) -> None:
    async with command("client", "--json", stdin=PIPE, WS=stack.url, USER="Ana") as client:
        await client.tell("10\n\n0\n1000\n")
        await client.until(lambda: len(client.of_type("answer")) == 3 and len(client.events("clock:tick")) >= 2)
        assert [(answer["n"], answer["value"]) for answer in client.of_type("answer")][:2] == [
            (10, "55"),
            (0, "0"),
        ]
        assert client.of_type("answer")[2]["digits"] == len(client.of_type("answer")[2]["value"]) == 209
        assert client.events("numbers:value") == [{"value": 0, "step": 1}]
        (connected,) = client.of_type("connected")
        assert (connected["user"]["name"], connected["user"]["kind"]) == ("Ana", "guest")
        assert await client.ends(by=signal.SIGTERM) == 0
        ticks = [tick["now"] for tick in client.events("clock:tick")]
        assert all(earlier < later for earlier, later in pairwise(ticks))
        assert client.err == []


async def test_lines_for_people_go_out_and_the_connection_is_told_beside_them(stack: Stack) -> None:
    async with command("client", stdin=PIPE, WS=stack.url.replace("http", "ws"), USER="Rui") as client:
        await client.tell("12\n")
        await client.says("clock:tick 20")
        # In whatever order: the value is read from the store, the answer is not.
        for line in ("F(12) = 144", "numbers:value 0 (step 1)"):
            await client.says(line)
        assert client.err[0].startswith("connected as Rui (guest) at gw-")
        assert await client.ends(by=signal.SIGINT) == 0


async def test_bad_input_is_told_and_it_goes_on(stack: Stack) -> None:
    wrong = ["ten", "2.7", "1e9", "-1", "100001", "9" * 5000]
    async with command("client", "--json", "--once", stdin=PIPE, WS=stack.url) as client:
        await client.tell("\n".join([*wrong, "7"]))
        client.close_input()
        assert await client.ends() == 1
        refusals = client.of_type("refusal")
        assert [refusal["asked"][:6] for refusal in refusals] == [text[:6] for text in wrong]
        assert [refusal["code"] for refusal in refusals] == [
            "bad_input", "bad_input", "bad_input", "bad_request", "bad_request", "bad_input"
        ]  # fmt: skip
        assert [answer["value"] for answer in client.of_type("answer")] == ["13"]


async def test_once_ends_with_the_input(stack: Stack) -> None:
    async with command("client", "--once", stdin=PIPE, WS=stack.url) as client:
        await client.tell("30")
        client.close_input()
        assert await client.ends() == 0
        assert "F(30) = 832040" in client.out


async def test_once_without_a_question_ends_once_it_was_connected(stack: Stack) -> None:
    async with command("client", "--json", "--once", WS=stack.url) as client:
        assert await client.ends() == 0
        assert len(client.of_type("connected")) == 1


async def test_without_input_it_goes_on_telling(stack: Stack) -> None:
    async with command("client", "--json", WS=stack.url) as client:
        await client.until(lambda: len(client.events("clock:tick")) >= 2)
        assert "standard input has ended" in client.of_type("note")[0]["text"]
        assert await client.ends(by=signal.SIGINT) == 0


@pytest.mark.parametrize("yes", ["true", "1"])
async def test_skip_user_input_leaves_standard_input_alone(stack: Stack, yes: str) -> None:
    theirs, ours = os.pipe()
    os.write(ours, b"10\n")
    os.close(ours)
    async with command("client", "--json", stdin=theirs, WS=stack.url, SKIP_USER_INPUT=yes) as client:
        await client.until(lambda: len(client.events("clock:tick")) >= 2)
        assert await client.ends(by=signal.SIGTERM) == 0
        assert {line["type"] for line in client.said} == {"connected", "event"}
    assert os.read(theirs, 100) == b"10\n"
    os.close(theirs)


async def test_it_signs_in_with_a_password_and_ends_with_its_session(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    await registered(http, "bruno")
    async with command("client", "--json", WS=stack.url, USER="bruno", PULSO_PASSWORD=PASSWORD) as client:
        (connected,) = await client.until(lambda: client.of_type("connected"))
        assert (connected["user"]["name"], connected["user"]["kind"]) == ("Bruno", "user")
        async with admitted(http, "/api/auth/login", json={"username": "bruno", "password": PASSWORD}) as response:
            token = (await response.json())["access_token"]
        async with http.post("/api/auth/logout-all", headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 200
        assert await client.ends() == os.EX_NOPERM
        assert client.err == ["The server does not admit us: the server has ended the session: revoked"]


async def test_a_wrong_password_is_told_in_a_sentence(stack: Stack, http: aiohttp.ClientSession) -> None:
    await registered(http, "carla")
    async with command("client", WS=stack.url, PULSO_USERNAME="carla", PULSO_PASSWORD="wrong") as client:
        assert await client.ends() == os.EX_NOPERM
        assert client.out == []
        assert client.err[-1].startswith("The server does not admit us: ")


@pytest.mark.parametrize(
    ("environ", "code", "named"),
    [
        ({"WS": "127.0.0.1:8080"}, CYCLOPTS_USAGE, "http://127.0.0.1:8080"),
        ({"SKIP_USER_INPUT": "perhaps"}, CYCLOPTS_USAGE, "SKIP_USER_INPUT"),
        ({"PULSO_USERNAME": "ana"}, os.EX_CONFIG, "PULSO_PASSWORD"),
        ({"PULSO_PASSWORD": PASSWORD}, os.EX_CONFIG, "USER"),
        ({"PULSO_PASWORD": PASSWORD, "USER": "ana"}, os.EX_CONFIG, "Did you mean PULSO_PASSWORD?"),
    ],
)
async def test_what_is_wrong_is_named(environ: dict[str, str], code: int, named: str) -> None:
    async with command("client", **environ) as client:
        assert await client.ends() == code
        assert named in " ".join(client.err)
        assert PASSWORD not in " ".join(client.err)


async def test_a_name_that_the_server_refuses_is_told(stack: Stack) -> None:
    async with command("client", "--user", "x" * 41, WS=stack.url) as client:
        assert await client.ends() == os.EX_NOPERM
        assert "name" in client.err[-1]


async def test_a_long_login_of_the_system_is_no_fault(stack: Stack) -> None:
    async with command("client", "--json", WS=stack.url, USER="x" * 41) as client:
        (connected,) = await client.until(lambda: client.of_type("connected"))
        assert connected["user"]["name"] == "x" * 40


async def test_a_server_that_is_no_pulso_is_told_apart(http: aiohttp.ClientSession) -> None:
    async def page(_request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        return aiohttp.web.Response(text="<h1>Not found</h1>", status=404)

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(page))
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with command("client", WS=f"http://127.0.0.1:{port}") as client:
            assert await client.ends() == os.EX_NOPERM
            assert "is not a Pulso" in client.err[-1]
    finally:
        await runner.cleanup()


async def test_it_ends_quietly_when_nobody_reads_on(stack: Stack) -> None:
    read, write = os.pipe()
    async with command("client", stdout=write, WS=stack.url) as client:
        os.close(write)
        await asyncio.to_thread(os.read, read, 1000)
        os.close(read)
        assert await client.ends() == 0
        assert not [line for line in client.err if "connected" not in line and "standard input" not in line]


@dataclass
class Terminal:
    """A pseudo-terminal with `pulso client` on it."""

    client: Command
    ours: int
    shown: str = ""

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    async def shows(self, text: str) -> None:
        await eventually(lambda: text in self.shown)

    def read(self) -> None:
        try:
            self.shown += os.read(self.ours, 65536).decode(errors="replace")
        except OSError:  # the other side is gone
            asyncio.get_running_loop().remove_reader(self.ours)


async def test_on_a_terminal_one_types_while_lines_scroll(stack: Stack) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    async with command(
        "client", stdin=theirs, stdout=theirs, WS=stack.url, USER="Ana", TERM="xterm-256color"
    ) as client:
        terminal = Terminal(client, ours)
        asyncio.get_running_loop().add_reader(ours, terminal.read)
        await terminal.shows("● live")
        await terminal.shows("n of F(n): ")
        terminal.press("1x\x7f3\x1b[A\x1b[3~")
        await terminal.shows("13")
        terminal.press("\n")
        await terminal.shows("233")
        terminal.press("ten\n")
        await terminal.shows("ten: not a whole number")
        terminal.press("999\x15\x04")
        await terminal.shows("standard input has ended")
        terminal.shown = ""
        await terminal.shows("clock:tick")
        assert await client.ends(by=signal.SIGINT) == 0
        assert termios.tcgetattr(theirs) == before
        assert client.err == []
        asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)


async def test_flags_win_over_variables(stack: Stack) -> None:
    async with command(
        "client",
        "--json",
        "--url",
        stack.url,
        "--user",
        "Rui",
        "--skip-input",
        WS="http://127.0.0.1:1",
        USER="root",
    ) as client:
        (connected,) = await client.until(lambda: client.of_type("connected"))
        assert connected["user"]["name"] == "Rui"
        assert json.loads(client.out[0])["type"] == "connected"
