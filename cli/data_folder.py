"""The data folder of `pulso up`: who may use it, and what is made in it once.

address         where a browser finds the running `pulso up`, once it is ready
up.lock         held by the running `pulso up`
children.lock   held by it and by every program it has started
pepper          goes into every password hash; made at the first start, readable by the owner alone
redis/          the embedded Redis: its socket and its append-only file
nginx/          the configuration and temporary files of nginx (`--gateways N`)
*.sqlite3       the services' databases
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cli.child import CannotStart

MAX_SOCKET_PATH_BYTES: Final = 107  # sun_path in unix(7), without its final zero
ORPHANS_END_WITHIN_S: Final = 10.0


class DataFolder:
    """A data folder that is ours for now. Made by `opened`."""

    def __init__(self, path: Path, children_lock: int) -> None:
        self.path = path
        self.children_lock = children_lock
        """To be inherited by every program that is started: see `opened`."""

    def folder(self, name: str) -> Path:
        return _folder(self.path / name)

    @contextlib.contextmanager
    def address(self, url: str) -> Iterator[None]:
        """Say meanwhile where the running Pulso is reached."""
        file = address_file(self.path)
        file.write_text(f"{url}\n", encoding="utf-8")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def pepper(self) -> str:
        """The secret in every password hash, made when it is first asked for."""
        file = self.path / "pepper"
        try:
            return file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            pass
        if (self.path / "auth.sqlite3").exists():
            raise CannotStart(
                f"{file} is missing, and without it nobody can log in who has an account in {self.path}. "
                "Restore it from a backup, or set PULSO_PEPPER."
            )
        pepper = secrets.token_urlsafe(48)
        # Whole or not at all: a half-written pepper would be taken for the real one by the next start.
        draft = file.with_name("pepper.new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8") as out:
            out.write(f"{pepper}\n")
            out.flush()
            os.fsync(out.fileno())
        draft.rename(file)
        return pepper


@contextlib.contextmanager
def opened(path: Path) -> Iterator[DataFolder]:
    """Use a data folder alone. Raises `CannotStart` where another `pulso up` has it.

    Programs that we start inherit one of the locks. Where we are killed, the lock lives for as long as they do,
    so that the next start waits for an orphaned Redis to let go of its files.
    """
    _folder(path)
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(_descriptor(path / "up.lock"))
        if not _locked(own):
            owner = os.pread(own, 20, 0).decode(errors="replace").strip()
            raise CannotStart(
                f"Another `pulso up` (process {owner}) uses the data folder {path}. "
                "Stop it, or choose another folder with --data."
            )
        os.ftruncate(own, 0)
        os.pwrite(own, f"{os.getpid()}\n".encode(), 0)
        children = stack.enter_context(_descriptor(path / "children.lock"))
        until = time.monotonic() + ORPHANS_END_WITHIN_S
        while not _locked(children):
            if time.monotonic() > until:
                raise CannotStart(
                    f"Programs of an earlier `pulso up` still use {path}; `fuser {path}/children.lock` names them."
                )
            time.sleep(0.05)  # nothing else runs yet
        yield DataFolder(path, children)


def address_file(data: Path) -> Path:
    return data / "address"


def redis_socket(data: Path) -> Path:
    """Where the embedded Redis of a data folder listens.

    In the folder itself, or, where that path is too long for a socket, in a private temporary folder whose name
    follows from it: whoever knows the data folder finds the socket.
    """
    socket = data / "redis" / "redis.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES:
        return socket
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pulso-{os.getuid()}-{name}" / "redis.sock"


def redis_url(data: Path) -> str:
    return f"unix://{quote(str(redis_socket(data)))}?db=0"


def prepare_redis_socket(data: Path) -> Path:
    """The socket's path, its folder made, without a socket that an earlier run left.

    Whoever can enter the folder can command Redis: so it must be ours and closed to everybody else, also where
    somebody made it before us, as anybody can in a temporary folder.
    """
    socket = redis_socket(data)
    found = _folder(socket.parent).lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise CannotStart(f"The folder {socket.parent} is open to others. Remove it and start again.")
    socket.unlink(missing_ok=True)
    return socket


def _folder(path: Path) -> Path:
    """Make a folder that only its owner may enter, if there is none. Raises `CannotStart`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise CannotStart(f"The folder {path} cannot be made: {fault.strerror}.") from fault
    return path


@contextlib.contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise CannotStart(f"The folder {path.parent} cannot be written to: {fault.strerror}.") from fault
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
