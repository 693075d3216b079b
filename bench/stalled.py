"""Clients in a process of their own, to be stopped by SIGSTOP: `python -m bench.stalled PORT TOPIC`.

It reads a line with their tokens, says `joined` when all of them follow the topic, and ends when its standard
input does.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.crowd import Crowd
from bench.servers import System
from cli.live.socket import event_frame


async def main(port: int, topic: str, tokens: list[str]) -> None:
    crowd = Crowd(System("stalled", port))
    await crowd.grow(tokens)
    await crowd.ask(event_frame("bench:join", {"topic": topic}, ack=1))
    print("joined", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.stdin.readline().split()))
