"""The official JavaScript client against the protocol server, on each transport."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S

FRONTEND = Path(__file__).parents[4] / "frontend"
SCRIPT = """
import { io } from "socket.io-client";
const [url, transports] = [process.argv[1], JSON.parse(process.argv[2])];
const seen = {};
const socket = io(url, { transports, auth: { token: "t" }, reconnection: false });
const custom = socket.io.socket("/custom", { auth: { n: 1 } });
const refused = socket.io.socket("/random");
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...a) => resolve(a)));
socket.connect(); custom.connect(); refused.connect();
[seen.auth, seen.custom, seen.refused] = await Promise.all([
  once(socket, "auth"), once(custom, "auth"), once(refused, "connect_error").then(([e]) => e.message),
]);
socket.emit("message", 1, "caf\\u00e9", { a: [true] }, Buffer.from([1, 2]));
const back = await once(socket, "message-back");
seen.back = back.map((value) => (Buffer.isBuffer(value) ? [...value] : value));
const acked = await new Promise((resolve) => {
  custom.emit("message-with-ack", "x", Buffer.from([3]), (...a) => resolve(a));
});
seen.acked = acked.map((value) => (Buffer.isBuffer(value) ? [...value] : value));
await new Promise((resolve) => setTimeout(resolve, 700));
seen.alive = socket.connected;
seen.transport = socket.io.engine.transport.name;
const burst = [];
await new Promise((resolve) => {
  socket.on("message-back", (n) => { if (burst.push(n) === 200) resolve(); });
  for (let n = 0; n < 200; n++) socket.emit("message", n);
});
seen.inOrder = burst.every((n, i) => n === i);
socket.disconnect(); custom.disconnect();
console.log(JSON.stringify(seen));
"""


@pytest.fixture
def heart() -> dict[str, float]:
    """It beats twice while the client waits."""
    return {"ping_interval": 0.3, "ping_timeout": PATIENCE_S}


@pytest.mark.parametrize(
    ("transports", "ends_on"),
    [(["websocket"], "websocket"), (["polling"], "polling"), (["polling", "websocket"], "websocket")],
)
async def test_the_official_client_is_served(server: str, transports: list[str], ends_on: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-e", SCRIPT, server, json.dumps(transports),
        cwd=FRONTEND, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(2 * PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out) == {
        "auth": [{"token": "t"}],
        "custom": [{"n": 1}],
        "refused": "Invalid namespace",
        "back": [1, "caf\u00e9", {"a": [True]}, [1, 2]],
        "acked": ["x", [3]],
        "alive": True,
        "transport": ends_on,
        "inOrder": True,
    }
