"""What stands beside Pulso does what is measured of it. (The peer on Node.js is tried by `make bench`.)"""

from __future__ import annotations

import pytest

from bench import servers
from bench.crowd import crowd_of
from cli.live.socket import NotConnected, event_frame


async def test_python_socketio_tells_every_member_of_a_room() -> None:
    async with servers.python_socketio("room") as system, crowd_of(system, 3) as crowd:
        await crowd.join("news")
        publish = event_frame("bench:publish", {"topic": "news", "count": 2, "size": 5}, ack=1)
        await crowd.ask(publish, crowd.clients[:1], ticks=2 * 3)


async def test_python_socketio_stores_and_acks() -> None:
    async with servers.python_socketio("store") as system, crowd_of(system, 3) as crowd:
        await crowd.ask(event_frame("bench:store", {"value": 37}, ack=1))


async def test_a_server_that_goes_away_gives_no_figure() -> None:
    async with servers.python_socketio("bare") as system, crowd_of(system, 3) as crowd:
        await system.children["server"].stop()
        with pytest.raises(NotConnected):
            await crowd.grow([None])
        assert crowd.lost == 3
