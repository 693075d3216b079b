"""Putting restored files in their places: all of them or, broken off, all of them at the next start.

Everything lies in the data folder as a draft before the first name changes, and a list says what is to become of
it. As long as the list is there nothing else may use the folder; carried out twice it does the same as once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cli.backup_folder import sync
from pulso.shard import BROKEN_OFF

DRAFT: Final = ".restoring"
BESIDE: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database belongs to it, and never to another one of the same name."""


class _Plan(msgspec.Struct, frozen=True):
    """The names of the files, and of the folder that is given what is there before."""

    files: tuple[str, ...]
    aside: str


def put_in_place(data: Path, files: Sequence[str], aside: str) -> None:
    """The drafts of these files get their names; what has them moves to the folder `aside`. Raises OSError."""
    draft = data / f"{BROKEN_OFF}{DRAFT}"
    with draft.open("wb") as out:
        out.write(msgspec.json.encode(_Plan(tuple(files), aside)))
        out.flush()
        os.fsync(out.fileno())
    draft.rename(data / BROKEN_OFF)
    sync(data)
    finish(data)


def finish(data: Path) -> tuple[str, ...]:
    """Carry out what was begun, if anything was; the names of the files. Raises OSError."""
    try:
        plan = msgspec.json.decode((data / BROKEN_OFF).read_bytes(), type=_Plan)
    except FileNotFoundError:
        return ()
    for name in plan.files:
        draft = data / f"{name}{DRAFT}"
        if draft.exists():  # else it has its name already
            _move_aside(data, name, data / plan.aside)
            draft.rename(data / name)
    sync(data)
    (data / BROKEN_OFF).unlink()
    sync(data)
    return plan.files


def _move_aside(data: Path, name: str, aside: Path) -> None:
    for path in (data / f"{name}{end}" for end in BESIDE):
        if path.exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / path.name)
