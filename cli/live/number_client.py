"""A number client as the browser's: its value by its step every 500 ms, a draw at a random 3 to 5 s.

What it was promised is remembered: the server must still know it when the client comes back.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from time import perf_counter
from typing import Any, Final

import msgspec

from cli.live.latency import Latencies
from cli.live.promise import Promise
from cli.live.session import GREETED_WITHIN_S, Session
from cli.live.socket import Client, NotConnected, argument_of

VALUE_EVERY_S: Final = 0.5
DRAW_AFTER_S: Final = (3.0, 5.0)
SIZE: Final = 100
MOST_ACCUSATIONS: Final = 10
BEGINNING: Final = (0, 1)
GREETING: Final = b'42["numbers:value",'

# Draws of one kind are worked off in order, but not with those of the other kind.
_OUTCOMES: Final = {b"numbers:even": range(0, SIZE, 2), b"numbers:odd": range(1, SIZE, 2)}
_EVEN, _ODD = _OUTCOMES

# The end of what is sent and of what answers it, by value.
_SET: Final = tuple(b'["numbers:set",{"value":%d}]' % value for value in range(SIZE))
_STORED: Final = tuple(b'[{"value":%d}]' % value for value in range(SIZE))

_CERTAINLY_NOT_DONE: Final = frozenset({"bad_request", "unauthorized", "forbidden", "not_found", "rate_limited"})


class Tally:
    """What all number clients of a run have seen together."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.never_answered = 0
        """Asked on connections that were lost."""
        self.refused: Counter[str] = Counter()
        self.wrong = 0
        self.lost_connections = 0
        self.forgotten = 0
        """Greetings that were not what had been promised."""
        self.accusations: list[str] = []
        """What exactly, of the first of them."""
        self.latencies = Latencies()
        self._is_all: asyncio.Future[None] | None = None
        """Somebody waits until everything is answered."""

    @property
    def open(self) -> int:
        """Asks that may still be answered."""
        return self.sent - self.answered - self.never_answered

    def accuse(self, what: str) -> None:
        self.forgotten += 1
        if len(self.accusations) < MOST_ACCUSATIONS:
            self.accusations.append(what)

    def settle(self, answered: int, never_answered: int = 0) -> None:
        self.answered += answered
        self.never_answered += never_answered
        if self._is_all is not None and not self.open and not self._is_all.done():
            self._is_all.set_result(None)

    async def all_answered(self) -> None:
        """Returns once no ask may still be answered."""
        while self.open:
            if self._is_all is None or self._is_all.done():
                self._is_all = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._is_all)


_Asked = tuple[float, int, int | None]
"""At what time, with what number, for what value; None of a draw."""


class NumberClient:
    """Connected by `connect`, again after a loss; `value` and `step` are where its number stands."""

    # As in `Client`.
    __slots__ = (
        "_asks",
        "_awaited",
        "_greeting",
        "_steps",
        "_tally",
        "_values",
        "is_live",
        "runs",
        "send",
        "session",
        "step",
        "value",
    )

    def __init__(self, tally: Tally) -> None:
        self.value, self.step = BEGINNING
        self.is_live = False
        """Connected, and greeted with its number."""
        self.session = Session(on_event=self._take_event, on_ack=self._take_ack, on_lost=self._pause)
        self.send = self.session.send
        """As the session's, of its present connection."""
        self.runs = 0
        """How often it was connected: what was begun in an earlier run must not go on in the next."""
        self._values = Promise(self.value, in_order=True)
        self._steps = Promise(self.step, in_order=False)
        self._tally = tally
        self._greeting: asyncio.Future[tuple[int, int]] | None = None
        self._asks = 0
        self._awaited: dict[bytes, _Asked] = {}
        """By the very frame that will grant it; of a draw, by the beginning of its answer."""

    async def connect(self, url: str, token: str) -> None:
        """Returns once the server has told value and step, which are then ours. Raises `NotConnected`, `Ended`.

        What it tells is held against what was promised: see `Tally.forgotten`.
        """
        self.is_live = False
        self.runs += 1
        greeting: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._greeting = greeting
        await self.session.open(url, token)
        self.send = self.session.send
        try:
            async with asyncio.timeout(GREETED_WITHIN_S):
                value, step = await greeting
        except TimeoutError:
            self.session.close()
            raise NotConnected("the server does not tell our number") from None
        if not (self._values.allows(value) and self._steps.allows(step)):
            user = self.session.ready["user"]["id"]
            promised = f"promised value {self._values} and step {self._steps}"
            self._tally.accuse(f"{user}: {promised}; the server tells {value} and {step}")
        self._values.settle(value)
        self._steps.settle(step)
        self.value, self.step = value, step
        self.is_live = self.session.is_open

    def lose(self) -> None:
        """The connection is lost: what was under way on it will not be answered."""
        self._tally.lost_connections += 1
        self._forget_asked()

    def close(self) -> None:
        self._pause()
        self.session.close()
        self._forget_asked()

    def next_value(self, due_at: float | None = None) -> bytes:
        """The frame that sends the next value. It counts as sent: `send` it.

        Its time runs since it was due, by `time.perf_counter`, or from now on: what we send late is told as late.
        """
        self.value = value = (self.value + self.step) % SIZE
        self._asks = ask = self._asks + 1
        digits = b"%d" % ask
        at = perf_counter() if due_at is None else due_at
        self._awaited[b"43" + digits + _STORED[value]] = (at, ask, value)
        self._values.ask(ask, (value,))
        self._tally.sent += 1
        return b"42" + digits + _SET[value]

    def draw(self, due_at: float | None = None) -> bytes:
        """The frame that asks for another step, at even chances an even or an odd one; as `next_value`."""
        event = _EVEN if random.random() < 0.5 else _ODD  # noqa: S311  # no secret
        self._asks = ask = self._asks + 1
        at = perf_counter() if due_at is None else due_at
        self._awaited[b"43%d[" % ask] = (at, ask, None)
        self._steps.ask(ask, _OUTCOMES[event])
        self._tally.sent += 1
        return b'42%d["%b"]' % (ask, event)

    def _take_ack(self, _client: Client, frame: bytes) -> None:
        asked = self._awaited.pop(frame, None)
        if asked is None:
            self._take_other_ack(frame)
            return
        # It is word for word what a value's answer is, as nearly all are: there is nothing to decode.
        at, ask, value = asked
        assert value is not None, "no draw's answer ends where its values begin"
        tally = self._tally
        tally.latencies.add(perf_counter() - at)
        self._values.grant(ask, value)
        tally.settle(1)

    def _take_other_ack(self, frame: bytes) -> None:
        """Of a draw; else a refusal, or something that was not asked for."""
        end = frame.index(b"[") + 1
        asked = self._pop_asked(frame[:end])
        if asked is None:
            return
        at, ask, value = asked
        promise, tally = self._steps if value is None else self._values, self._tally
        answer: dict[str, Any] = msgspec.json.decode(frame[end:-1])
        if "error" in answer:
            code = answer["error"]["code"]
            tally.refused[code] += 1
            (promise.refuse if code in _CERTAINLY_NOT_DONE else promise.doubt)(ask)
        else:
            tally.latencies.add(perf_counter() - at)
            number = answer["number" if value is None else "value"]
            promise.grant(ask, number)
            if value is None:
                self.step = number
            else:
                tally.wrong += number != value
        tally.settle(1)

    def _pop_asked(self, beginning: bytes) -> _Asked | None:
        """What an answer that begins like this, up to its bracket, belongs to."""
        asked = self._awaited.pop(beginning, None)
        if asked is None:
            key = next((key for key in self._awaited if key.startswith(beginning)), b"")
            asked = self._awaited.pop(key, None)
        return asked

    def _pause(self) -> None:
        self.is_live = False

    def _take_event(self, _client: Client, frame: bytes) -> None:
        if self._awaits_greeting() and frame.startswith(GREETING):
            assert self._greeting is not None
            told = argument_of(frame)
            self._greeting.set_result((told["value"], told["step"]))

    def _awaits_greeting(self) -> bool:
        return self._greeting is not None and not self._greeting.done()

    def _forget_asked(self) -> None:
        self._values.doubt_all()
        self._steps.doubt_all()
        self._tally.settle(0, never_answered=len(self._awaited))
        self._awaited.clear()
