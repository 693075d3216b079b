"""Wrong settings: no process starts with them, and each names all that is wrong, with exit code 78."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.faults.deployment import spawn
from tests.waiting import PATIENCE_S

EVERYWHERE = {
    "PULSO_REDIS_URL": "nonsense",
    "PULSO_OPS_PORT": "99999",
    "PULSO_LOG_LEVEL": "loud",
    "PULSO_OPS_PROT": "9080",
}
OWN = {
    "auth": {"PULSO_PEPPER": "short", "PULSO_GUESTS": "perhaps", "PULSO_TOKEN_SECONDS": "soon"},
    "numbers": {"PULSO_NUMBERS_SHARDS": "0"},
    "gateway": {"PULSO_PORT": "eighty", "PULSO_LIMIT_CONNECTIONS_PER_USER": "-1", "PULSO_GUESTS": "perhaps"},
}


@pytest.mark.parametrize("service", OWN)
async def test_every_fault_is_named(service: str, tmp_path: Path) -> None:
    wrong = {**EVERYWHERE, **OWN[service]}
    code, said = await refusal(service, {"PULSO_DATA": str(tmp_path), **wrong})
    assert code == os.EX_CONFIG
    assert sorted(line.partition(":")[0] for line in said) == sorted(wrong)
    assert not any("short" in line or "nonsense" in line for line in said)  # secrets are not shown


async def test_numbers_do_not_start_on_data_of_another_split(tmp_path: Path) -> None:
    (tmp_path / "numbers.sqlite3").touch()
    code, said = await refusal("numbers", {"PULSO_DATA": str(tmp_path), "PULSO_NUMBERS_SHARDS": "2"})
    assert code == os.EX_CONFIG
    assert [line.partition(":")[0] for line in said] == ["PULSO_NUMBERS_SHARDS"]


async def test_numbers_do_not_start_without_a_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = await refusal("numbers", {"PULSO_DATA": str(tmp_path / "file")})
    assert code == os.EX_CONFIG
    assert [line.partition(":")[0] for line in said] == ["PULSO_DATA"]


async def refusal(service: str, settings: dict[str, str]) -> tuple[int, list[str]]:
    """The exit code, and the lines on standard error."""
    process = await spawn(service, settings, asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, said.decode().splitlines()
