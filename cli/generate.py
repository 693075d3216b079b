"""`pulso generate`: believable sales, one JSON line each, at a steady pace."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pulso.process import run_until_signal
from services.sales.generator import Generator
from services.sales.writing import write_steadily


def generate(
    *,
    out: Annotated[Path, Parameter(help="The file that they are appended to.")],
    every: Annotated[
        float, Parameter(validator=Number(gte=0.001, lte=86_400), help="Seconds from one to the next.")
    ] = 1.0,
    count: Annotated[
        int | None, Parameter(validator=Number(gte=1), help="End after so many; else with Ctrl-C.")
    ] = None,
    burst: Annotated[
        int, Parameter(validator=Number(gte=1, lte=100_000), help="Write so many at once each time.")
    ] = 1,
    seed: Annotated[int | None, Parameter(help="Repeat what was sold; ids are new all the same.")] = None,
) -> int:
    """Write until there is a reason to end; what it promises and its exit codes are in the command's help."""
    chance = random.Random(seed)  # noqa: S311  # a seed is to repeat it
    generator = Generator(chance, lambda: datetime.now(UTC))
    faults: list[OSError] = []

    async def main(stop: asyncio.Event) -> None:
        writing = asyncio.create_task(write_steadily(out, generator, every_s=every, burst=burst, count=count))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((writing, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (writing, stopping):
            task.cancel()
        await asyncio.wait((writing, stopping))
        if not writing.cancelled() and isinstance(fault := writing.exception(), OSError):
            faults.append(fault)

    run_until_signal(main)
    if faults:
        sys.stderr.write(f"{out} cannot be written: {faults[0].strerror or faults[0]}\n")
        return os.EX_IOERR
    return 0
