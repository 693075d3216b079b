"""`pulso redis-users`: passwords are made once, the ACL each time, and each is its owner's alone."""

from __future__ import annotations

import stat
from pathlib import Path

from cli.redis_users import redis_users

FOLDERS = ("server", "gateway", "auth", "bell", "cli")


def test_passwords_stay_and_the_acl_follows(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    assert redis_users(tmp_path) == 0
    passwords = {name: (tmp_path / name / "password").read_text(encoding="utf-8") for name in FOLDERS}
    assert len(set(passwords.values())) == len(FOLDERS)
    assert {len(password) for password in passwords.values()} == {64}
    acl = (tmp_path / "server" / "users.acl").read_text(encoding="utf-8")
    assert [line.split()[1] for line in acl.splitlines()] == [
        "default",
        "gateway",
        "auth",
        "bell",
        "cli",
        "health",
    ]
    assert "user default reset off" in acl.splitlines()[0]
    assert not [password for password in passwords.values() if password in acl]

    (tmp_path / "chat").mkdir()
    assert redis_users(tmp_path) == 0
    assert (tmp_path / "auth" / "password").read_text(encoding="utf-8") == passwords["auth"]
    assert "user chat " in (tmp_path / "server" / "users.acl").read_text(encoding="utf-8")


def test_what_is_made_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    redis_users(tmp_path)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) == len(FOLDERS) + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o400}


def test_a_folder_that_is_no_service_is_named(tmp_path: Path) -> None:
    for name in ("server", "user"):
        (tmp_path / name).mkdir()
    assert redis_users(tmp_path) == 1
    assert not (tmp_path / "server" / "users.acl").exists()
