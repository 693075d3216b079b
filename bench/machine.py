"""What is read off the machine: processor time and memory of processes, cores, versions."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("aiohttp", "picows", "python-engineio", "python-socketio", "redis", "uvloop")
NOT_INSTALLED: Final = "not installed"
NODE_FOLDER: Final = Path(__file__).parent / "node"


@functools.cache  # as it was before anything was pinned
def cores() -> tuple[int, int]:
    """The core of the servers and the core of the clients: one and the same where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def all_cores() -> frozenset[int]:
    return frozenset(cores())


@contextlib.contextmanager
def pinned_to(cores: Iterable[int]) -> Iterator[None]:
    """This thread, and what it starts meanwhile, runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Processor time of a whole process, user and system: the sum of utime and stime of /proc/<pid>/stat.

    The kernel keeps that sum in nanoseconds and shows it there in steps of 10 ms, a tenth of some measurements
    here. The process's own clock (clock_getcpuclockid(3), which makes its id like this) is the same account.
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(f"process {pid} has no memory: it has ended")
    return int(found.group(1)) * 1024


def described() -> dict[str, str]:
    """What figures depend on, besides the programs."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions(redis_server: str) -> dict[str, str]:
    """The versions of everything that is measured, and of what measures; some rows need no Node.js."""
    found = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    found["Redis server"] = _said(redis_server, "--version", pattern=r"v=([\d.]+)")
    found["Node.js"] = _said("node", "--version", pattern=r"v(.+)") if shutil.which("node") else NOT_INSTALLED
    for name in ("socket.io", "engine.io", "ws", "@socket.io/redis-adapter", "redis"):
        manifest = NODE_FOLDER / "node_modules" / name / "package.json"
        found[f"{name} (npm)"] = (
            _found(r'"version":\s*"([^"]+)"', manifest.read_text(encoding="utf-8"))
            if manifest.exists()
            else NOT_INSTALLED
        )
    return found


def _processor() -> str:
    return _found(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))


def _said(*command: str, pattern: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603  # ours
    return _found(pattern, said)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1).strip() if found else "unknown"
