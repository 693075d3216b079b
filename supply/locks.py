"""The locked packages, as the lock files have them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PYTHON_LOCKS: Final = tuple(ROOT / "requirements" / name for name in ("runtime.txt", "dev.txt", "node.txt"))
NPM_LOCKS: Final = (ROOT / "frontend" / "package-lock.json", ROOT / "bench" / "node" / "package-lock.json")

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True, slots=True)
class Package:
    """`hashes` are those of a package's files: hexadecimal SHA-256 (PyPI), `sha512-<base64>` (npm)."""

    ecosystem: str
    name: str
    version: str
    hashes: tuple[str, ...]
    is_dev: bool
    license: str = ""

    @property
    def purl(self) -> str:
        return f"pkg:{self.ecosystem}/{self.name.replace('@', '%40')}@{self.version}"


class BrokenLock(Exception):
    """A lock file that has a line which is none of a lock's."""


def python_packages(path: Path) -> list[Package]:
    """Raises `BrokenLock` for whatever is not pinned: a URL, an option, a range."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    packages = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pinned = _PINNED.match(line)
        if pinned is None:
            raise BrokenLock(f"{path.name}: {line.strip()[:80]}")
        name, version = pinned.groups()
        packages.append(Package("pypi", name, version, tuple(_HASH.findall(line)), path.stem != "runtime"))
    return packages


def npm_packages(path: Path) -> list[Package]:
    listed = json.loads(path.read_text(encoding="utf-8"))["packages"]
    return [
        Package(
            "npm",
            place.rpartition("node_modules/")[2],
            entry["version"],
            (entry["integrity"],) if "integrity" in entry else (),
            bool(entry.get("dev", False)) or "bench" in path.parts,
            str(entry.get("license", "")),
        )
        for place, entry in listed.items()
        if place
    ]


def all_packages() -> list[Package]:
    """Each once, in order; what any lock needs at run time is no development dependency."""
    found: dict[str, Package] = {}
    every = [package for lock in PYTHON_LOCKS for package in python_packages(lock)]
    every += [package for lock in NPM_LOCKS for package in npm_packages(lock)]
    for package in sorted(every, key=lambda package: (package.purl, package.is_dev)):
        found.setdefault(package.purl, package)
    return list(found.values())
