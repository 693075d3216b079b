"""`pulso check`: every fault at once, with what to do about it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Pulso


def test_settings_in_order_are_shown_without_secrets(pulso: Pulso) -> None:
    with pulso("check", PULSO_PORT="9000", PULSO_PEPPER="x" * 40) as process:
        shown, complaints = process.communicate()
    assert process.returncode == 0, complaints
    assert "PULSO_PORT" in shown
    assert "9000" in shown
    assert "x" * 40 not in shown


def test_all_faults_are_told_together(pulso: Pulso) -> None:
    with pulso(
        "check", PULSO_PORT="eighty", PULSO_PEPPER="short", PULSO_GUESTS="maybe", PULSO_PROT="1"
    ) as process:
        _, complaints = process.communicate()
    assert process.returncode == 78
    for fault in ("PULSO_PORT: 'eighty'", "PULSO_PEPPER:", "PULSO_GUESTS: 'maybe'", "Did you mean PULSO_PORT?"):
        assert fault in complaints
    assert "short" not in complaints


def test_a_secret_may_come_from_a_file(pulso: Pulso, tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("x" * 40)
    with pulso("check", PULSO_PEPPER_FILE=str(tmp_path / "pepper")) as process:
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints
