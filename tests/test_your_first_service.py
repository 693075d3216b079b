"""docs/your-first-service.md, done step by step by somebody who takes it at its word, beside a running Pulso."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import async_playwright

from tests.browser.conftest import ARGS, chromium
from tests.conftest import REPOSITORY, Stack, run_stack
from tests.redis_server import await_line
from tests.waiting import eventually

DOCUMENT = REPOSITORY / "docs" / "your-first-service.md"
COPIED = ("services", "tests")
LINKED = ("pulso", "cli", "bench", "frontend", "pyproject.toml")
STARTS_WITHIN_S = 120.0
TYPE_AGAIN_MS = 20_000
ENDS_WITHIN_S = 120.0

_BLOCK = re.compile(r"(?:^|\n)(?P<before>(?:[^\n]+\n)+)?\n?```(?P<language>\w+)\n(?P<text>.*?)```\n", re.DOTALL)


class Block(NamedTuple):
    """A block of code; `file` is the one that the paragraph before it names first."""

    language: str
    file: str
    text: str


def blocks(language: str) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8")):
        named = re.search(r"`([\w/]+\.\w+)`", match["before"] or "")
        found.append(Block(match["language"], named[1] if named else "", match["text"]))
    return [block for block in found if block.language == language]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Of this module's own: a service is added to it."""
    yield from run_stack()


class Checkout:
    """A copy of the repository to work in, as whoever reads the document has one, with Pulso running from it."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder
        self._url = stack.url
        (folder / ".pulso").symlink_to(stack.data)
        (folder / ".venv").symlink_to(sys.prefix)
        for name in LINKED:
            (folder / name).symlink_to(REPOSITORY / name)
        for name in COPIED:
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def write(self, block: Block) -> None:
        (self.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / block.file).write_text(self.here(block.text), encoding="utf-8")

    def here(self, text: str) -> str:
        """The document speaks of the default ports."""
        return text.replace("http://127.0.0.1:8080", self._url).replace("PULSO_OPS_PORT=9081", "PULSO_OPS_PORT=0")

    def run(self, commands: str) -> str:
        """What the commands say; they must succeed."""
        done = subprocess.run(
            ["bash", "-euc", self.here(commands)], cwd=self.folder, env=_environ(), capture_output=True, text=True,
            timeout=ENDS_WITHIN_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self, commands: str) -> Iterator[None]:
        """Run them until the end of the block, then press Ctrl-C."""
        *exports, last = commands.strip().splitlines()
        script = "\n".join([*exports, f"exec {last}"])
        with subprocess.Popen(
            ["bash", "-euc", self.here(script)], cwd=self.folder, env=_environ(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                await_line(process, process.stdout, "lease taken", STARTS_WITHIN_S)
                yield
                process.send_signal(signal.SIGINT)
                assert process.wait(ENDS_WITHIN_S) == 0
            finally:
                process.kill()


@pytest.fixture
def checkout(stack: Stack) -> Iterator[Checkout]:
    # Not pytest's own folders: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pulso-") as folder:
        yield Checkout(Path(folder), stack)


def test_the_clock_is_shown_as_it_is() -> None:
    shown = [block for block in blocks("python") if block.file.startswith("services/clock/")]
    assert [block.file.rpartition("/")[2] for block in shown] == ["contract.py", "__main__.py"]
    for block in shown:
        assert block.text == (REPOSITORY / block.file).read_text(encoding="utf-8")


def test_the_clock_answers_as_it_is_shown_to(stack: Stack) -> None:
    asked = re.search(r"curl (\S+)", blocks("sh")[0].text)
    assert asked is not None
    with urllib.request.urlopen(asked[1].replace("http://127.0.0.1:8080", stack.url)) as answer:
        now = datetime.fromisoformat(json.load(answer)["now"])
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5


async def test_every_step_does_what_it_says(stack: Stack, checkout: Checkout) -> None:
    copy, run_service, run_program, run_tests = (block.text for block in blocks("sh")[1:])
    checkout.run(copy)
    for block in blocks("python"):
        if not block.file.startswith("services/clock/"):
            checkout.write(block)
    with checkout.running(run_service):
        answered, heard, refused = _said(checkout.run(run_program))
        assert answered == heard
        assert (answered["by"], answered["text"]) == ("Rui", "Lunch is ready")
        assert refused == _said(blocks("text")[0].text)[0]
        _check_documented(stack)
        (rung,) = await _in_browser(stack, blocks("js")[0].text)
        assert rung["text"] == "Lunch is ready"
        assert rung["by"].startswith("Guest")
    assert _status_of_ring(stack) == 503
    assert "1 passed" in checkout.run(run_tests)


def _said(output: str) -> list[dict[str, Any]]:
    """The objects that were printed: the answer, what was heard (in this order), and the refusal."""
    lines = sorted(line for line in output.splitlines() if "{" in line)
    lines.sort(key=lambda line: line.startswith("400"))
    return [ast.literal_eval(line[line.index("{") :]) for line in lines]


async def _in_browser(stack: Stack, script: str) -> list[dict[str, Any]]:
    """What a visitor's console shows when the script is typed into it."""
    typed = f"""async () => {{
        const heard = [];
        const console = {{ log: (rung) => heard.push(rung) }};
        {script}
        const until = performance.now() + {TYPE_AGAIN_MS};
        while (!heard.length && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
        return heard;
    }}"""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGS))
        page = await browser.new_page(locale="en-US")

        async def typed_into_it() -> list[dict[str, Any]]:
            await page.goto(stack.url)
            heard: list[dict[str, Any]] = await page.evaluate(typed)
            return heard

        # On a busy machine its ring may be answered `timeout`: whoever sits there types it again.
        heard = await eventually(typed_into_it)
        await browser.close()
    return heard


def _check_documented(stack: Stack) -> None:
    """The gateway, which has never heard of a bell, documents it, with the example of its contract."""
    documents = {}
    for name in ("openapi", "asyncapi"):
        with urllib.request.urlopen(f"{stack.url}/api/{name}.json") as answer:
            documents[name] = json.load(answer)
    ring = documents["openapi"]["paths"]["/api/bell/ring"]["post"]
    assert ring["requestBody"]["content"]["application/json"]["example"] == {"text": "Lunch is ready"}
    rang = documents["asyncapi"]["components"]["messages"]["bell.rang"]
    assert rang["examples"][0]["payload"]["by"] == "Ana"
    assert documents["asyncapi"]["channels"]["topic.bell.rings"]["address"] == "bell.rings"


def _status_of_ring(stack: Stack) -> int:
    """How a guest's ring is answered over HTTP."""
    with urllib.request.urlopen(
        urllib.request.Request(f"{stack.url}/api/auth/guest", data=b"{}", headers=_JSON)
    ) as answer:
        token = json.load(answer)["access_token"]
    headers = {**_JSON, "Authorization": f"Bearer {token}"}
    ring = urllib.request.Request(f"{stack.url}/api/bell/ring", data=b'{"text": "?"}', headers=headers)
    try:
        with urllib.request.urlopen(ring) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


_JSON = {"Content-Type": "application/json"}


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PULSO_", "PYTEST_"))}
