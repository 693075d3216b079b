"""`pulso check`: are the settings in order?"""

from __future__ import annotations

import os

from rich.table import Table

from cli import settings
from cli.terminal import Terminal
from pulso.process import faults_exit


def check() -> None:
    """Validate all settings as `pulso up` would, and show what holds.

    Every fault is named with what to do about it; the exit code is then 78.
    """
    environ = settings.with_values(os.environ)
    with faults_exit():
        found = settings.read(environ)
    table = Table("setting", "value", "", box=None, pad_edge=False)
    for variable, value, origin in settings.shown(found, environ):
        table.add_row(variable, value, "" if origin == "default" else origin)
    Terminal().print(table)
    print("All settings are in order.")
