"""Restored files get their names all together, wherever it was broken off."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.restoring import BESIDE, DRAFT, finish, put_in_place
from pulso.config import ConfigFaults
from pulso.shard import BROKEN_OFF, check_folder

FILES = ("auth.sqlite3", "chat.sqlite3", "pepper")
ASIDE = "replaced-now"


class Killed(BaseException):
    """What nothing catches."""


def prepared(data: Path) -> None:
    """Older files, what SQLite keeps beside one, and the drafts of what is to come."""
    data.mkdir()
    for name in FILES:
        (data / name).write_text("old")
        (data / f"{name}{DRAFT}").write_text("new")
    (data / f"{FILES[0]}-wal").write_text("old log")


def check(data: Path) -> None:
    assert [(data / name).read_text() for name in FILES] == ["new"] * len(FILES)
    assert [(data / ASIDE / name).read_text() for name in FILES] == ["old"] * len(FILES)
    assert (data / ASIDE / f"{FILES[0]}-wal").read_text() == "old log"
    assert sorted(path.name for path in data.iterdir()) == sorted([*FILES, ASIDE])


@pytest.mark.parametrize("renames", range(2 + 2 * len(FILES)))
def test_broken_off_anywhere_it_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    data = tmp_path / "data"
    prepared(data)
    rename, left = Path.rename, [renames]

    def killed_at_last(path: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed_at_last)
        with pytest.raises(Killed):
            put_in_place(data, FILES, ASIDE)
    if renames == 0:  # nothing has been begun
        assert finish(data) == ()
        put_in_place(data, FILES, ASIDE)
    else:
        with pytest.raises(ConfigFaults, match="broken off"):
            check_folder(data)
        assert finish(data) == FILES
    check(data)
    check_folder(data)


def test_nothing_is_moved_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / f"pepper{DRAFT}").write_text("new")
    put_in_place(tmp_path, ["pepper"], ASIDE)
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]
    assert finish(tmp_path) == ()


def test_what_belongs_to_a_database_is_known() -> None:
    assert BROKEN_OFF not in {f"auth.sqlite3{end}" for end in BESIDE}
