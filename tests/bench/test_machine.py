"""What is read off the machine."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import machine
from cli.embedded_redis import find_server

SPIN = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"


def test_processor_time_is_what_the_kernel_shows_in_stat() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        measured = machine.cpu_seconds(process.pid)
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        shown = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        process.stdin.close()
    # utime and stime are each cut off to ticks of 10 ms.
    assert measured >= 0.3
    assert measured == pytest.approx(shown, abs=0.03)


def test_our_own_processor_time_is_what_we_know_ourselves() -> None:
    assert machine.cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_memory_is_in_bytes() -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0.1 * peak < machine.resident_bytes(os.getpid()) <= 1.01 * peak


def test_what_starts_meanwhile_runs_on_the_pinned_core_alone() -> None:
    servers_core, _ = machine.cores()
    before = os.sched_getaffinity(0)
    with machine.pinned_to({servers_core}):
        shown = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert shown.stdout.strip() == str({servers_core})
    assert os.sched_getaffinity(0) == before


def test_rows_without_node_need_none_of_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "NODE_FOLDER", tmp_path)
    assert machine.versions(find_server())["socket.io (npm)"] == "not installed"
