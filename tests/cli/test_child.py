"""Programs that are kept running: readiness, failure, restarts, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from cli.child import CannotStart, Program, kept_running
from tests.waiting import eventually


async def _at_once() -> bool:
    return True


def _program(*arguments: str, **more: object) -> Program:
    return Program(**{"name": "it", "arguments": arguments, "is_ready": _at_once, **more})  # type: ignore[arg-type]  # of any kind


def _lives(pid: int) -> bool:
    try:
        # A zombie only waits for its parent to take note of its end.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_program_is_ready_when_it_says_so(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    async def marked() -> bool:
        return mark.exists()

    script = f"touch {mark}; exec sleep 60"
    async with kept_running(_program("/bin/sh", "-c", script, is_ready=marked)) as (child,):
        assert mark.exists()
        assert child.status == "ok"
        pid = child.pid
        assert pid
    assert not _lives(pid)


async def test_program_that_ends_at_the_start_is_told_with_its_last_words() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(CannotStart, match=r"it ended with status 3: no such thing"):
        async with kept_running(_program("/bin/sh", "-c", "echo no such thing; exit 3", is_ready=never)):
            pass


async def test_program_that_is_never_ready_is_stopped() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(CannotStart, match="was not ready within"):
        async with kept_running(_program("/bin/sleep", "60", is_ready=never, starts_within_s=0.2)):
            pass


async def test_program_that_ends_is_started_again() -> None:
    async with kept_running(_program("/bin/sleep", "60")) as (child,):
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: child.pid != first and child.status == "ok")


async def test_program_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "deaf"

    async def marked() -> bool:
        return mark.exists()

    script = f"trap '' TERM; touch {mark}; while :; do sleep 60; done"
    program = _program("/bin/sh", "-c", script, is_ready=marked, stops_within_s=0.2)
    async with kept_running(program) as (child,):
        pid = child.pid
        assert pid
    assert not _lives(pid)


async def test_what_a_killed_program_leaves_behind_is_swept_away(tmp_path: Path) -> None:
    kept = tmp_path / "pid"

    async def written() -> bool:
        return kept.exists() and kept.read_text().endswith("\n")

    script = f"sleep 60 & echo $! >{kept}; wait"
    async with kept_running(_program("/bin/sh", "-c", script, is_ready=written)) as (child,):
        grandchild = int(kept.read_text())
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        await eventually(lambda: not _lives(grandchild))


async def test_programs_end_when_the_one_that_started_them_is_killed() -> None:
    script = """
import asyncio, sys
from cli.child import Program, kept_running

async def at_once(): return True

async def main():
    async with kept_running(Program(name="it", arguments=("/bin/sleep", "60"), is_ready=at_once)) as (child,):
        print(child.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout
    pid = int(await parent.stdout.readline())
    assert _lives(pid)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not _lives(pid))
