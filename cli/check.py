"""`pulso check`: are the settings in order, and is Redis set as Pulso needs it?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Final

from rich.table import Table

from cli import settings
from cli.terminal import Terminal
from pulso.config import ConfigFaults, variable_of
from pulso.process import faults_exit
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from pulso.settings import KitSettings
from services.ops.redis_info import asked
from services.ops.rules import evicts

_NOT_LET_IN: Final = ("WRONGPASS", "NOAUTH")


def check() -> None:
    """Validate all settings as `pulso up` would, and show what holds.

    A Redis that is named is asked whether it drops keys when its memory is full. One that does not answer now is
    told, and no fault.

    Every fault is named with what to do about it; the exit code is then 78.
    """
    environ = settings.with_values(os.environ)
    with faults_exit():
        found = settings.read(environ)
        if settings.is_set(environ, "redis_url"):
            asyncio.run(_check_redis(found.kit))
    table = Table("setting", "value", "", box=None, pad_edge=False)
    for variable, value, origin in settings.shown(found, environ):
        table.add_row(variable, value, "" if origin == "default" else origin)
    Terminal().print(table)
    print("All settings are in order.")


async def _check_redis(kit: KitSettings) -> None:
    """Raises `ConfigFaults` for a Redis that drops keys, or does not let us in."""
    link = RedisLink(
        kit.redis_url, username=kit.redis_username, password=kit.redis_password, name="check", probe_channel=""
    )
    variable = variable_of("redis_url")
    with contextlib.closing(link):
        try:
            redis = await asked(link)
        except LinkDown as fault:
            if str(fault).startswith(_NOT_LET_IN):
                raise ConfigFaults(
                    [f"{variable}: Redis does not let us in ({fault}). Check its user name and password."]
                ) from None
            sys.stderr.write(f"{variable}: Redis was not asked for its maxmemory-policy ({fault}).\n")
            return
    if evicts(redis):
        raise ConfigFaults(
            [f"{variable}: this Redis drops keys that are needed when its memory is full (maxmemory-policy "
             f"{redis.eviction}). Set its maxmemory-policy to noeviction."]
        )  # fmt: skip
