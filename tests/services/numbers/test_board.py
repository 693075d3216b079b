"""The board: one a second, of all shards together, whatever strangers send."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from pulso.contract import shard_of
from pulso.message import Envelope, Probe, Tell
from pulso.settings import KitSettings
from services.numbers import contract
from services.numbers.board import PART, PART_LIVES_S, Part, Parts
from services.numbers.contract import Board, BoardRow
from services.numbers.rules import board_of
from tests.services.numbers.conftest import Gateway, gateway_on, served
from tests.waiting import eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Watcher:
    """Follows the board, as a gateway with watchers does; knows when each came."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.came: list[float] = []
        self.boards: list[Board] = []

    async def follow(self) -> None:
        await self._gateway.bus.listen(self._gateway.bus.channels.topic(contract.BOARD.name), self._take)

    def _take(self, batch: list[Envelope]) -> None:
        for envelope in batch:
            assert isinstance(envelope, Tell)
            assert envelope.event == "numbers:board"
            self.came.append(time.time())
            self.boards.append(msgspec.json.decode(envelope.payload, type=Board))

    async def sees(self, count: int) -> None:
        begun = len(self.boards)
        await eventually(lambda: len(self.boards) >= begun + count)


async def test_board_comes_once_a_second_on_the_second_with_nobody_active(gateway: Gateway) -> None:
    watcher = Watcher(gateway)
    await watcher.follow()
    await watcher.sees(4)
    assert all(board == board_of([]) for board in watcher.boards)
    # On the second: each came in a second of its own, and these follow one another.
    assert all(int(later) - int(earlier) == 1 for earlier, later in pairwise(watcher.came))


async def test_board_shows_active_users_by_name(gateway: Gateway) -> None:
    watcher = Watcher(gateway)
    await watcher.follow()
    await gateway.set(gateway.caller("rui"), 5)
    await gateway.set(gateway.caller("ana"), 37)
    await eventually(lambda: watcher.boards and watcher.boards[-1].active == 2)
    board = watcher.boards[-1]
    assert board.values == [BoardRow("Ana", 37, 1), BoardRow("Rui", 5, 1)]
    assert [value for value, users in enumerate(board.histogram) if users] == [5, 37]


async def test_two_shards_make_one_board(kit: KitSettings) -> None:
    one, other = (next(u for u in map("u{}".format, range(99)) if shard_of(u, 2) == shard) for shard in (0, 1))
    async with gateway_on(kit, shards=2) as gateway, served(kit, shards=2), served(kit, shards=2):
        await gateway.serves()
        watcher = Watcher(gateway)
        await watcher.follow()
        await gateway.set(gateway.caller(one, name="Ana"), 37)
        await gateway.set(gateway.caller(other, name="Rui"), 5)
        await eventually(lambda: watcher.boards and watcher.boards[-1].active == 2)
        assert watcher.boards[-1].values == [BoardRow("Ana", 37, 1), BoardRow("Rui", 5, 1)]
        watcher.came.clear()
        await watcher.sees(3)
        assert all(int(later) - int(earlier) == 1 for earlier, later in pairwise(watcher.came))


def part(shard: int, board: Board) -> Tell:
    return Tell(PART.name, msgspec.json.encode(Part(shard, board)))


def test_a_shard_that_falls_silent_leaves_the_board() -> None:
    parts = Parts(3)
    parts.take([part(1, board_of([BoardRow("Ana", 1, 1)])), part(2, board_of([]))], 0.0)
    parts.take([part(2, board_of([BoardRow("Rui", 2, 1)]))], PART_LIVES_S)
    assert [board.values[0].user for board in parts.fresh(PART_LIVES_S)] == ["Ana", "Rui"]
    assert [board.values[0].user for board in parts.fresh(1.5 * PART_LIVES_S)] == ["Rui"]


def test_what_no_shard_sends_is_left_out() -> None:
    parts = Parts(2)
    strange = [part(shard, board_of([])) for shard in (-1, 0, 2)] + [part(1, Board(1, [], [1]))]
    payloads = [b"", b"{}", b"\xff", b"[" * 100_000, b'{"x": ' + b"[" * 100_000, b'{"shard": 1, "board": null}']
    parts.take([*strange, *(Tell(PART.name, payload) for payload in payloads), Probe(1)], 0.0)
    assert parts.fresh(0.0) == []
