"""What a backup looks like on the disk: the files, and beside them a list that says what belongs to it.

    backup.json     {"format": 1, "made_at", "version", "files": [{"name", "service", "size_bytes", "sha256"}]}
    *.sqlite3       the services' databases
    pepper          the secret in every password hash, where `pulso up` has made it

The list is written last, into a folder that only then gets its name: what has a list was finished.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from pulso import snapshot

LIST: Final = "backup.json"
PEPPER: Final = "pepper"
FORMAT: Final = 1


class BackupFault(Exception):
    """Why there is no backup, or why it is not to be trusted; in a sentence."""


class BackedUp(msgspec.Struct, frozen=True):
    """A file of a backup; `service` is whose it is."""

    name: str
    service: str
    size_bytes: int
    sha256: str


class BackupList(msgspec.Struct, frozen=True):
    made_at: str
    version: str
    files: tuple[BackedUp, ...]
    format: int = FORMAT


def finished(draft: Path, folder: Path, listed: BackupList) -> None:
    """Make a draft the backup: everything on the disk, the list, the name. Raises OSError."""
    text = msgspec.json.format(msgspec.json.encode(listed), indent=2)
    with (draft / LIST).open("wb") as out:
        out.write(text + b"\n")
        out.flush()
        os.fsync(out.fileno())
    sync(draft)
    if folder.exists():  # an empty one, which is what was checked before
        folder.rmdir()
    draft.rename(folder)
    sync(folder.parent)


def verified(folder: Path) -> BackupList:
    """The list of a backup all of whose files are whole. Raises `BackupFault`."""
    try:
        listed = msgspec.json.decode((folder / LIST).read_bytes(), type=BackupList)
    except FileNotFoundError:
        raise BackupFault(f"{folder} is no backup: there is no {LIST} in it.") from None
    except (OSError, msgspec.MsgspecError) as fault:
        raise BackupFault(f"{folder / LIST} cannot be read: {fault}.") from None
    if listed.format != FORMAT:
        raise BackupFault(f"{folder} was made by another release ({listed.version}): its form is not known here.")
    for file in listed.files:
        _verify(folder, file)
    return listed


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copied(source: Path, target: Path) -> None:
    """Readable for its owner alone, and on the disk when this returns. Raises OSError."""
    with source.open("rb") as data, open(target, "xb", opener=private) as out:  # has no opener
        shutil.copyfileobj(data, out)
        out.flush()
        os.fsync(out.fileno())


def _verify(folder: Path, file: BackedUp) -> None:
    path = folder / file.name
    if path.name != file.name:
        raise BackupFault(f"{folder / LIST} names a file elsewhere: {file.name!r}.")
    try:
        if path.stat().st_size != file.size_bytes or digest_of(path) != file.sha256:
            raise BackupFault(f"{path} is not what was backed up. Take another backup.")
        if path.suffix == ".sqlite3":
            snapshot.check(path)
    except (OSError, snapshot.CannotCopy) as fault:
        raise BackupFault(f"{path} cannot be used: {fault}.") from None


def private(path: str, flags: int) -> int:
    """An opener: what is made is readable for its owner alone."""
    return os.open(path, flags, 0o600)


def sync(folder: Path) -> None:
    """A name is on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
