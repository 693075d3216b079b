"""Lua scripts that Redis runs for us: which commands they need."""

from __future__ import annotations

import re
from typing import Final

RUN: Final = frozenset({"evalsha", "script|load"})
"""What redis-py sends to have a script run."""


def commands_of(*scripts: str) -> frozenset[str]:
    """Those that the scripts call, and those that have the scripts run."""
    return RUN | {name.lower() for script in scripts for name in re.findall(r"redis\.call\('(\w+)'", script)}
