"""A session over long-polling, request by request."""

from __future__ import annotations

import json
from typing import Final

from tests.abuse.target import Account, Target
from tests.raw_http import Answer, ask, request
from tests.raw_websocket import WAITS_S, connect

POLLING: Final = "/socket.io/?EIO=4&transport=polling"


async def poll(target: Target, sid: str, *, within_s: float = WAITS_S) -> Answer:
    return await ask(target, request("GET", f"{POLLING}&sid={sid}"), within_s=within_s)


async def post(target: Target, sid: str, body: bytes, *, within_s: float = WAITS_S) -> Answer:
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    return await ask(target, request("POST", f"{POLLING}&sid={sid}", headers, body), within_s=within_s)


async def open_polling(target: Target) -> str:
    """The id of a new session that nobody has connected yet."""
    return str(json.loads((await ask(target, request("GET", POLLING))).body[1:])["sid"])


async def polling(target: Target, who: Account) -> str:
    """A session that is connected and has been greeted."""
    sid = await open_polling(target)
    assert (await post(target, sid, connect(who.token).encode())).status == 200
    said = b""
    while b"numbers:value" not in said:
        said += (await poll(target, sid)).body
    return sid


async def is_alive(target: Target, sid: str) -> bool:
    return (await post(target, sid, b"3")).status == 200
