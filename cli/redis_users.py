"""`pulso redis-users`: a password for each user of Redis, and the ACL that says what they may do."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from cli import settings
from cli.permissions import GATEWAY, HEALTH, users_of
from pulso.config import load
from pulso.permissions import CLI, SELECTORS_SINCE, acl_file
from pulso.process import faults_exit
from pulso.settings import KitSettings
from services import settings as product

SERVER: Final = "server"
"""The folder that Redis itself reads: the ACL, and the password of its health check."""
ACL: Final = "users.acl"
PASSWORD: Final = "password"  # noqa: S105  # the name of a file


def redis_users(
    folder: Path,
    /,
    *,
    redis: Annotated[int, Parameter(help="The major version of Redis or Valkey: 6 knows coarser rules.")] = 7,
) -> int:
    """Make a password for each user, where there is none yet, and the ACL of all of them.

    Each folder in FOLDER is one user's, named after the service (`gateway`, `auth`, ..., any other service, and
    `cli` for this command), and gets a file `password`. `server` is Redis' own: `users.acl` in it says what each
    user may do, with digests of the passwords; `password` is that of the user `health`.

    Passwords that are there stay; the ACL is written anew each time, and Redis reads it when it starts.

    Parameters
    ----------
    folder
        Where the users' folders are.
    """
    with faults_exit():
        kit = load(KitSettings, settings.with_values(os.environ), known=product.ALL)
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != SERVER)
        users = users_of(kit.redis_prefix, [name for name in names if name not in (GATEWAY, CLI)])
        passwords = {name: _password(folder / name) for name in names}
        passwords[HEALTH] = _password(folder / SERVER)
        wanted = [user for user in users if user.name in passwords]
        text = acl_file(wanted, passwords, has_selectors=redis >= SELECTORS_SINCE)
        _write(folder / SERVER / ACL, text)
    except (OSError, ValueError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    print(f"{folder / SERVER / ACL}: {', '.join(user.name for user in wanted)}")
    return 0


def _password(folder: Path) -> str:
    """The one that is there, or a new one."""
    file = folder / PASSWORD
    if not file.exists() or not file.stat().st_size:
        _write(file, secrets.token_hex(32))
    return file.read_text(encoding="utf-8").strip()


def _write(file: Path, text: str) -> None:
    """Whole or not at all, readable by its owner alone."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with draft.open("x", encoding="utf-8") as out:
        draft.chmod(0o400)
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
