"""`pulso restore`: a backup becomes the data folder of a Pulso that does not run."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli import settings
from cli.backup_folder import PEPPER, BackedUp, BackupFault, copied, verified
from cli.child import CannotStart
from cli.data_folder import opened
from cli.restoring import BESIDE, DRAFT, finish, put_in_place
from pulso import snapshot
from pulso.config import load
from pulso.process import faults_exit
from pulso.settings import KitSettings
from services import settings as product


def restore(
    folder: Path,
    /,
    *,
    data: Annotated[Path | None, Parameter(help="The data folder. Default: .pulso")] = None,
    only: Annotated[tuple[str, ...], Parameter(negative="", help="A service whose files alone are wanted.")] = (),
    force: Annotated[bool, Parameter(negative="", help="Move what is there aside first.")] = False,
) -> int:
    """Put a backup into the data folder of a Pulso that is stopped.

    The backup is checked first. Where the data folder has files of these names already nothing is done; with
    --force they are moved into a folder `replaced-<time>` in it. Nothing is ever overwritten. Broken off while
    files get their names, it is finished by the next `pulso up` or `pulso restore`; nothing starts there before.

    Parameters
    ----------
    folder
        What `pulso backup` has made.
    """
    environ = settings.with_values(os.environ, data=data)
    with faults_exit():
        kit = load(KitSettings, environ, known=product.ALL)
    try:
        listed = verified(folder)
        files = [file for file in listed.files if not only or file.service in only]
        if missing := set(only) - {file.service for file in files}:
            raise BackupFault(f"There is nothing of {', '.join(sorted(missing))} in {folder}.")
        with opened(kit.data.resolve()) as target:
            finish(target.path)  # an earlier one that was broken off
            moved = _put(folder, files, target.path, force=force)
    except (BackupFault, CannotStart, snapshot.CannotCopy, OSError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    print(f"Restored the backup of {listed.made_at}: {', '.join(file.name for file in files)}.")
    if moved is not None:
        print(f"What was there before is in {moved}.")
    if any(file.service == "auth" for file in files) and not (kit.data / PEPPER).exists():
        print("The pepper is not in the backup: set PULSO_PEPPER to what it was, or nobody can log in.")
    return 0


def _put(folder: Path, files: list[BackedUp], data: Path, *, force: bool) -> Path | None:
    """Returns where what was there went. Nothing is moved before all that is to come is on the same disk."""
    there = [path for file in files for end in BESIDE if (path := data / f"{file.name}{end}").exists()]
    if there and not force:
        raise BackupFault(
            f"{data} has {', '.join(path.name for path in there if path.suffix != '-shm')} already. "
            "Name another folder with --data, or have them moved aside with --force."
        )
    for path in there:
        if path.suffix == ".sqlite3":
            snapshot.require_unused(path)
    drafts: list[Path] = []
    try:
        for file in files:
            drafts.append(data / f"{file.name}{DRAFT}")
            drafts[-1].unlink(missing_ok=True)
            copied(folder / file.name, drafts[-1])
    except BaseException:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        raise
    aside = data / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    put_in_place(data, [file.name for file in files], aside.name)
    return aside if aside.exists() else None
