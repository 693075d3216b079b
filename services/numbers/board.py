"""The board: once a second, on the second, everybody's values to whoever watches.

Each shard knows its own users. Shard 0 tells the watchers; the others send it their part a moment before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from pulso.contract import Event
from pulso.message import Envelope, Tell
from pulso.party import running
from pulso.seconds import whole_seconds
from pulso.shard import Context
from services.numbers import contract
from services.numbers.active import Active
from services.numbers.contract import Board
from services.numbers.rules import SIZE, board_of, merged

PARTS_TOPIC: Final = "numbers.parts"
"""From shard to shard only: it is not in the contract, and no connection ever joins it."""

PART_AHEAD_S: Final = 0.2
PART_LIVES_S: Final = 2.5
"""How long a part stands in for the next one: a shard that falls silent leaves the board."""

log = structlog.get_logger(__name__)


class Part(msgspec.Struct, frozen=True):
    """One shard's board."""

    shard: int
    board: Board


PART: Final = Event("numbers:part", Part, "One shard's part of the board.")


@contextlib.asynccontextmanager
async def showing(context: Context, active: Active) -> AsyncIterator[None]:
    """This shard does its share of the board meanwhile."""
    if context.shard:
        async with running(_contribute(context, active)):
            yield
        return
    parts = Parts(context.shards)
    channel = context.bus.channels.topic(PARTS_TOPIC)
    if context.shards > 1:
        await context.bus.listen(channel, lambda batch: parts.take(batch, time.monotonic()))
    try:
        async with running(_publish(context, active, parts)):
            yield
    finally:
        context.bus.unlisten(channel)


class Parts:
    """What the other shards have sent lately: one part each. Times are seconds of a clock that is never set."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._parts: dict[int, tuple[float, Board]] = {}
        self._decoder = msgspec.json.Decoder(Part)

    def take(self, batch: list[Envelope], now: float) -> None:
        for envelope in batch:
            if isinstance(envelope, Tell) and (part := self._decoded(envelope.payload)) is not None:
                self._parts[part.shard] = (now, part.board)

    def fresh(self, now: float) -> list[Board]:
        return [board for came, board in self._parts.values() if now - came <= PART_LIVES_S]

    def _decoded(self, payload: bytes) -> Part | None:
        """None for what no shard of this service sends: it must not end the board."""
        try:
            part = self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            log.warning("part of the board not understood", fault=str(fault))
            return None
        fits = 0 < part.shard < self._shards and len(part.board.histogram) == SIZE
        return part if fits else None


async def _publish(context: Context, active: Active, parts: Parts) -> None:
    async for _ in whole_seconds(context.now):
        board = merged([board_of(active.rows()), *parts.fresh(time.monotonic())])
        context.push.to_topic(contract.BOARD.name, contract.BOARD_EVENT, board)


async def _contribute(context: Context, active: Active) -> None:
    async for _ in whole_seconds(context.now, ahead_s=PART_AHEAD_S):
        part = Part(context.shard, board_of(active.rows()))
        context.push.to_topic(PARTS_TOPIC, PART, part)
