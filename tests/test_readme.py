"""What the README says of settings is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from pulso.config import Documented, documented
from services.settings import ALL

README = Path(__file__).parents[1] / "README.md"
_ROW = re.compile(r"^\| `(PULSO_\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_the_table_of_settings_equals_the_code() -> None:
    assert _ROW.findall(README.read_text(encoding="utf-8")) == [
        (row.variable, _default(row), row.doc) for row in documented(ALL)
    ]


def _default(row: Documented) -> str:
    if row.default == "":
        return "(none)"
    return row.default if row.default == "(required)" else f"`{row.default}`"
