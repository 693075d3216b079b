"""One gateway in a process of its own."""

from __future__ import annotations

import asyncio
import os

from pulso import log
from pulso.probes import Health, ops_server
from pulso.process import faults_exit, load_or_exit, run_until_signal
from pulso.settings import KitSettings
from pulso.shard import check_folder
from services.gateway.app import serve_gateway
from services.settings import ALL, GatewaySettings


def main() -> None:
    kit, settings = load_or_exit((KitSettings, GatewaySettings), os.environ, known=ALL)
    with faults_exit():
        check_folder(kit.data)
    log.configure(level=kit.log_level, form=kit.log_format)

    async def run(stop: asyncio.Event) -> None:
        health = Health()
        async with ops_server(health, host=kit.ops_host, port=kit.ops_port):
            await serve_gateway(settings, kit, health, stop)

    run_until_signal(run)


if __name__ == "__main__":
    main()
