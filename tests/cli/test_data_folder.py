"""The data folder: one user at a time, secrets made once, a socket that nobody else can open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cli import data_folder
from cli.child import CannotStart
from cli.data_folder import DataFolder, opened, prepare_redis_socket, redis_socket


def test_a_data_folder_has_one_user(folder: DataFolder) -> None:
    with pytest.raises(CannotStart, match=rf"process {os.getpid()}\) uses the data folder"), opened(folder.path):
        pass


def test_a_data_folder_can_be_opened_again(data: Path) -> None:
    for _ in range(2):
        with opened(data):
            pass


def test_a_start_waits_for_programs_of_an_earlier_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "ORPHANS_END_WITHIN_S", 0.1)
    with opened(data) as folder:
        inherited = os.dup(folder.children_lock)
    with pytest.raises(CannotStart, match="still use"), opened(data):
        pass
    os.close(inherited)
    with opened(data):
        pass


def test_the_folder_is_closed_to_others(folder: DataFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_the_pepper_is_made_once_and_for_its_owner_alone(data: Path) -> None:
    with opened(data) as folder:
        first = folder.pepper()
    with opened(data) as folder:
        assert folder.pepper() == first
    assert len(first) >= 32
    assert stat.S_IMODE((data / "pepper").stat().st_mode) == 0o600


def test_a_lost_pepper_is_not_made_anew(folder: DataFolder) -> None:
    (folder.path / "auth.sqlite3").touch()
    with pytest.raises(CannotStart, match="Restore it from a backup"):
        folder.pepper()


def test_a_long_path_still_has_a_socket() -> None:
    data = Path("/srv") / ("very-long-" * 15)
    socket = prepare_redis_socket(data) if os.access("/srv", os.W_OK) else redis_socket(data)
    assert len(os.fsencode(socket)) <= data_folder.MAX_SOCKET_PATH_BYTES
    assert socket == redis_socket(data)


def test_a_socket_folder_that_others_can_enter_is_refused(data: Path) -> None:
    redis_socket(data).parent.mkdir(parents=True, mode=0o755)
    with pytest.raises(CannotStart, match="is open to others"):
        prepare_redis_socket(data)


def test_a_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(CannotStart, match="cannot be made"), opened(Path("/proc/nowhere")):
        pass
