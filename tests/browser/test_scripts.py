"""The scripts' own tests, on Node's test runner."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


async def test_the_scripts_pass_their_tests() -> None:
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert node is not None, "Node.js is needed; `make setup` brings it"
    files = sorted(map(str, (HERE / "js").glob("*.test.mjs")))
    assert files
    process = await asyncio.create_subprocess_exec(
        node, "--test", *files, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
