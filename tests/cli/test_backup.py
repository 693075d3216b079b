"""`pulso backup` and `pulso restore`: a running Pulso into a folder, and the folder into another Pulso."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.data_folder import opened
from tests.cli.conftest import Pulso
from tests.conftest import Stack, run_stack

PASSWORD = "long enough"


def _post(url: str, path: str, body: dict[str, object], token: str = "") -> dict[str, object]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: dict[str, object] = json.load(answer)
        return content


def _run(pulso: Pulso, *arguments: str) -> tuple[int, str, str]:
    with pulso(*arguments) as process:
        said, complaint = process.communicate(timeout=120)
    return process.returncode, said, complaint


@pytest.fixture(scope="module")
def once(pulso: Pulso, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "backup"
    code, said, complaint = _run(pulso, "backup", str(folder), "--data", str(stack.data))
    assert code == 0, complaint
    assert "numbers.sqlite3" in said
    return folder


@pytest.fixture
def made(once: Path, tmp_path: Path) -> Path:
    """A backup of the shared Pulso, the test's own."""
    return shutil.copytree(once, tmp_path / "backup")


def test_what_was_acknowledged_is_there_after_a_restore(pulso: Pulso, stack: Stack, tmp_path: Path) -> None:
    username = f"ana-{secrets.token_hex(4)}"
    account = {"name": "Ana", "username": username, "email": f"{username}@example.com", "password": PASSWORD}
    token = str(_post(stack.url, "/api/auth/register", account)["access_token"])
    assert _post(stack.url, "/api/numbers/set", {"value": 73}, token) == {"value": 73}
    folder = tmp_path / "backup"
    assert _run(pulso, "backup", str(folder), "--data", str(stack.data))[0] == 0
    with _restored(pulso, folder) as other:
        again = _post(other.url, "/api/auth/login", {"username": username, "password": PASSWORD})
        user = again["user"]
        assert isinstance(user, dict)
        database = sqlite3.connect(f"file:{folder / 'numbers.sqlite3'}?immutable=1", uri=True)
        assert database.execute("SELECT value FROM last WHERE user_id = ?", (user["id"],)).fetchall() == [(73,)]
        database.close()


@contextmanager
def _restored(pulso: Pulso, folder: Path) -> Iterator[Stack]:
    """Another Pulso, which is given a backup before it starts."""

    def restore(data: Path) -> None:
        code, said, complaint = _run(pulso, "restore", str(folder), "--data", str(data))
        assert code == 0, complaint
        assert "auth.sqlite3" in said

    running = run_stack(before=restore)
    try:
        yield next(running)
    finally:
        running.close()


def test_nothing_is_left_of_a_backup_that_was_not_finished(pulso: Pulso, stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    code, _, complaint = _run(pulso, "backup", str(folder), "--data", str(stack.data), "--skip", "no-such-service")
    assert code == 1
    assert "There is no service no-such-service to skip." in complaint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(pulso: Pulso, stack: Stack, made: Path) -> None:
    code, _, complaint = _run(pulso, "backup", str(made), "--data", str(stack.data))
    assert code == 1
    assert complaint == f"{made} is not empty. Name a new folder.\n"


def test_a_place_that_cannot_be_written_is_told(pulso: Pulso, stack: Stack, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    code, _, complaint = _run(pulso, "backup", str(in_the_way / "backup"), "--data", str(stack.data))
    assert code == os.EX_CANTCREAT
    assert complaint.startswith(f"{in_the_way}/backup cannot be written: ")


def test_a_backup_is_readable_for_its_owner_alone(made: Path) -> None:
    assert made.stat().st_mode & 0o077 == 0
    assert (made / "pepper").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("harm", ["changed", "cut", "missing", "unlisted"])
def test_a_backup_that_is_not_whole_is_refused(pulso: Pulso, made: Path, data: Path, harm: str) -> None:
    file = made / "numbers.sqlite3"
    if harm == "changed":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:4096])
    elif harm == "missing":
        file.unlink()
    else:
        (made / "backup.json").unlink()
    code, _, complaint = _run(pulso, "restore", str(made), "--data", str(data))
    assert code == 1
    assert ("backup.json" if harm == "unlisted" else "numbers.sqlite3") in complaint
    assert not data.exists()


def test_a_running_pulso_is_not_written_over(pulso: Pulso, stack: Stack, made: Path) -> None:
    code, _, complaint = _run(pulso, "restore", str(made), "--data", str(stack.data), "--force")
    assert code == 1
    assert complaint.startswith("Another `pulso up`")


def test_what_is_there_is_moved_aside_only_when_told(pulso: Pulso, made: Path, data: Path) -> None:
    with opened(data):
        (data / "numbers.sqlite3").write_bytes(b"older")
        (data / "numbers.sqlite3-wal").write_bytes(b"older log")
    code, _, complaint = _run(pulso, "restore", str(made), "--data", str(data))
    assert code == 1
    assert "--force" in complaint
    assert (data / "numbers.sqlite3").read_bytes() == b"older"
    code, said, complaint = _run(pulso, "restore", str(made), "--data", str(data), "--force", "--only", "numbers")
    assert code == 0, complaint
    (aside,) = data.glob("replaced-*")
    assert str(aside) in said
    assert (aside / "numbers.sqlite3").read_bytes() == b"older"
    assert (data / "numbers.sqlite3").read_bytes() == (made / "numbers.sqlite3").read_bytes()
    assert not (data / "numbers.sqlite3-wal").exists()
    assert not (data / "auth.sqlite3").exists()
