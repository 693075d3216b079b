"""The real nginx in front of a deployment's gateways, as `pulso up --gateways` and compose have it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from cli import data_folder
from cli.child import kept_running
from cli.front_door import Front, nginx_program
from tests.conftest import free_port


@contextlib.asynccontextmanager
async def in_front_of(gateways: Sequence[int], folder: Path) -> AsyncIterator[int]:
    """Its port, once it answers. `gateways` are the ports of theirs."""
    front = Front(
        host="127.0.0.1",
        port=free_port(),
        gateways=tuple(gateways),
        uploads=folder,
        upload_mb=1,
        trusted_proxies=(),
    )
    with data_folder.opened(folder) as own:
        program = nginx_program(own, front)
        # That gateways are not reached is what is wanted here: no need to say so.
        config = folder / "nginx" / "nginx.conf"
        config.write_text(
            config.read_text("utf-8").replace("error_log stderr warn;", "error_log stderr crit;"), "utf-8"
        )
        async with kept_running(program):
            yield front.port
