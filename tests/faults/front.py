"""The real nginx in front of a deployment's gateways, as `pulso up --gateways` and compose have it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli import data_folder
from cli.child import Child, kept_running
from cli.front_door import Front, nginx_program
from tests.conftest import free_port


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """A running nginx, which is started again whenever it ends."""

    port: int
    child: Child

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """As with -9, its workers too: the master is dead before it could ask them to stop."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.child.pid is not None
        os.killpg(self.child.pid, number)


@contextlib.asynccontextmanager
async def in_front_of(gateways: Sequence[int], folder: Path) -> AsyncIterator[FrontDoor]:
    """Once it answers. `gateways` are the ports of theirs."""
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
        async with kept_running(program) as (child,):
            yield FrontDoor(front.port, child)
