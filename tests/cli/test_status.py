"""`pulso status`: how everything stands, in words and for programs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Pulso
from tests.conftest import Stack

SERVICES = {"gateway", "auth", "numbers", "presence", "sales", "clock", "ops"}


def test_everything_that_runs_is_shown_after_a_sentence(pulso: Pulso, stack: Stack) -> None:
    with pulso("status", "--data", str(stack.data), COLUMNS="160") as process:
        said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    assert said.splitlines()[0][2:].startswith("Pulso works")
    assert stack.url in said
    for service in SERVICES:
        assert service in said
    assert "numbers.sqlite3" in said


def test_programs_get_json(pulso: Pulso, stack: Stack) -> None:
    with pulso("status", "--json", "--data", str(stack.data)) as process:
        said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    status = json.loads(said)
    assert status["level"] in ("ok", "warning")
    assert {process["report"]["service"] for process in status["processes"]} >= SERVICES
    assert status["redis"]["clients"] > 0


def test_where_nothing_runs_that_is_said(pulso: Pulso, tmp_path: Path) -> None:
    with pulso("status", "--data", str(tmp_path)) as process:
        said, complaint = process.communicate(timeout=120)
    assert process.returncode == 69
    assert said == ""
    assert complaint.startswith(f"No `pulso up` runs on the data folder {tmp_path}.")


def test_a_redis_that_does_not_answer_is_said(pulso: Pulso) -> None:
    with pulso("status", PULSO_REDIS_URL="redis://127.0.0.1:1/0") as process:
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 69
    assert "Redis does not answer. Is Pulso running?" in complaint
