"""Plain python-socketio, as its documentation builds it: what Pulso is measured against.

    python -m bench.peers.python_socketio bare  PORT             connects only
    python -m bench.peers.python_socketio room  PORT REDIS_URL   rooms on AsyncRedisManager
    python -m bench.peers.python_socketio store PORT REDIS_URL   an event is one HSET, then its ack

`bench:quiet` collects garbage, so that memory is read without it. It runs on uvloop, as Pulso does.
"""

from __future__ import annotations

import gc
import itertools
import sys
from typing import Any

import socketio
import uvloop
from aiohttp import web
from redis.asyncio import BlockingConnectionPool, Redis


def main() -> None:
    mode, port, *redis_url = sys.argv[1:]
    server = bare() if mode == "bare" else rooms(*redis_url) if mode == "room" else stores(*redis_url)
    app = web.Application()
    server.attach(app)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None, backlog=4096)


def server_of(**how: Any) -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], **how)


def bare() -> socketio.AsyncServer:
    server = server_of(always_connect=True)

    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        await server.emit("auth", auth or {}, to=sid)

    async def quiet(_sid: str, _nothing: Any) -> dict[str, Any]:
        gc.collect()
        return {}

    server.on("connect", connect)
    server.on("bench:quiet", quiet)
    return server


def rooms(redis_url: str) -> socketio.AsyncServer:
    server = server_of(client_manager=socketio.AsyncRedisManager(redis_url))
    ticks = itertools.count(1)

    async def join(sid: str, request: dict[str, Any]) -> dict[str, Any]:
        await server.enter_room(sid, request["topic"])
        return {}

    async def publish(_sid: str, request: dict[str, Any]) -> dict[str, Any]:
        text, number = "x" * request["size"], 0
        for _ in range(request["count"]):
            number = next(ticks)
            await server.emit("bench:tick", {"n": number, "text": text}, room=request["topic"])
        return {"last": number}

    server.on("bench:join", join)
    server.on("bench:publish", publish)
    return server


def stores(redis_url: str) -> socketio.AsyncServer:
    server = server_of(client_manager=socketio.AsyncRedisManager(redis_url))
    # The default pool raises "Too many connections" under so many commands at once.
    redis: Redis = Redis(connection_pool=BlockingConnectionPool.from_url(redis_url, max_connections=50))

    async def store(sid: str, request: dict[str, Any]) -> dict[str, Any]:
        await redis.hset("values", sid, request["value"])
        return {"value": request["value"]}

    server.on("bench:store", store)
    return server


if __name__ == "__main__":
    main()
