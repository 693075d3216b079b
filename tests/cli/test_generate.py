"""`pulso generate`, as a command."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.cli.conftest import Pulso


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_it_writes_without_end_until_it_is_interrupted(pulso: Pulso, tmp_path: Path) -> None:
    out = tmp_path / "sales.jsonl"
    with pulso("generate", "--out", str(out), "--every", "0.1") as process:
        while len(_lines(out)) < 5:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert process.communicate() == ("", "")


def test_a_second_run_goes_on_in_the_same_file_with_new_ids(pulso: Pulso, tmp_path: Path) -> None:
    out = tmp_path / "sales.jsonl"
    for _ in range(2):
        with pulso("generate", "--out", str(out), "--every", "0.01", "--count", "20", "--seed", "1") as process:
            assert process.wait(120) == 0
    lines = _lines(out)
    assert len({line["id"] for line in lines}) == len(lines) == 40
    assert [line["product"] for line in lines[:20]] == [line["product"] for line in lines[20:]]
    assert [line["id"] for line in lines] == sorted(str(line["id"]) for line in lines)


def test_a_file_that_cannot_be_written_is_told(pulso: Pulso, tmp_path: Path) -> None:
    with pulso("generate", "--out", str(tmp_path), "--count", "1") as process:
        _, complaint = process.communicate()
    assert process.returncode == 74
    assert complaint.startswith(f"{tmp_path} cannot be written: ")


def test_senseless_paces_are_refused(pulso: Pulso, tmp_path: Path) -> None:
    for wrong in (("--every", "0"), ("--every", "-1"), ("--count", "0"), ("--burst", "0")):
        with pulso("generate", "--out", str(tmp_path / "x"), *wrong) as process:
            process.communicate()
        assert process.returncode != 0
    assert not (tmp_path / "x").exists()
