"""`pulso status`: how everything stands, asked of all processes over the bus; whoever reaches Redis may ask."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from cli import settings
from cli.data_folder import address_file
from cli.reached import NotRunning, kit_of, reached
from cli.status_text import show
from cli.terminal import Terminal
from pulso.process import faults_exit
from pulso.reports import REPORT_NOW
from pulso.settings import KitSettings
from pulso.times import iso
from services.ops.board import Board
from services.ops.contract import Status
from services.ops.redis_info import redis_figures
from services.ops.rules import level_of, problems_of

LISTEN_S: Final = 2.5
"""The longest that is listened: everybody reports every two seconds, asked or not."""
QUIET_S: Final = 0.6
EXIT: Final = {"ok": 0, "warning": 0, "critical": 1}


def status(
    *,
    data: Annotated[Path | None, Parameter(help="The data folder of the running `pulso up`.")] = None,
    json: Annotated[bool, Parameter(negative="", help="As JSON, for programs.")] = False,
) -> int:
    """Say how everything stands: gateways, services, Redis, disks, and what to look after.

    Exit codes: 0 where it works, 1 where something does not, 69 where nothing is reached, 78 for wrong settings.
    """
    environ = settings.with_values(os.environ, data=data)
    with faults_exit():
        try:
            kit = kit_of(environ)
            found = asyncio.run(status_of(kit))
        except NotRunning as fault:
            sys.stderr.write(f"{fault}\n")
            return os.EX_UNAVAILABLE
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        show(Terminal(), found, _address(kit))
    return EXIT[found.level]


async def status_of(kit: KitSettings) -> Status:
    loop = asyncio.get_running_loop()
    async with reached(kit) as up:
        board = Board(loop.time)
        await up.bus.listen(up.bus.channels.reports, board.accept)
        asked = loop.time()
        await up.bus.announce(up.bus.channels.report_now, REPORT_NOW, b"{}")
        redis = await redis_figures(up.link)
        heard, changed = 0, asked
        while loop.time() - asked < LISTEN_S and (not heard or loop.time() - changed < QUIET_S):
            await asyncio.sleep(0.05)
            if (count := len(board.processes())) != heard:
                heard, changed = count, loop.time()
        processes = board.processes()
    problems = problems_of(processes, redis)
    return Status(iso(datetime.now(UTC)), level_of(problems), problems, processes, redis)


def _address(kit: KitSettings) -> str:
    """Where a browser finds it; empty where it was not `pulso up` that started it here."""
    try:
        return address_file(kit.data.resolve()).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
