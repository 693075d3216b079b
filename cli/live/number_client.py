"""A number client as the browser's: its value by its step every 500 ms, a draw at a random 3 to 5 s.

What it was promised is remembered: the server must still know it when the client comes back.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from time import perf_counter
from typing import Any, Final, NamedTuple

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
_DRAWS: Final = tuple(_OUTCOMES)

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
        self.all_answered = asyncio.Event()
        self.all_answered.set()

    @property
    def open(self) -> int:
        """Asks that may still be answered."""
        return self.sent - self.answered - self.never_answered

    def accuse(self, what: str) -> None:
        self.forgotten += 1
        if len(self.accusations) < MOST_ACCUSATIONS:
            self.accusations.append(what)

    def settled(self, *, answered: int = 0, never_answered: int = 0) -> None:
        self.answered += answered
        self.never_answered += never_answered
        if not self.open:
            self.all_answered.set()


class _Asked(NamedTuple):
    at: float
    what: Promise
    value: int | None


class NumberClient:
    """Connected by `connect`, again after a loss; `value` and `step` are where its number stands."""

    def __init__(self, tally: Tally) -> None:
        self.value, self.step = BEGINNING
        self.session = Session(on_event=self._take_event, on_ack=self._take_ack)
        self.runs = 0
        """How often it was connected: what was begun in an earlier run must not go on in the next."""
        self._values = Promise(self.value, in_order=True)
        self._steps = Promise(self.step, in_order=False)
        self._tally = tally
        self._greeting: asyncio.Future[tuple[int, int]] | None = None
        self._asks = 0
        self._awaited: dict[int, _Asked] = {}

    @property
    def is_live(self) -> bool:
        return self.session.is_open and not self._awaits_greeting()

    async def connect(self, url: str, token: str) -> None:
        """Returns once the server has told value and step, which are then ours. Raises `NotConnected`, `Ended`.

        What it tells is held against what was promised: see `Tally.forgotten`.
        """
        self.runs += 1
        greeting: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._greeting = greeting
        await self.session.open(url, token)
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

    def lose(self) -> None:
        """The connection is lost: what was under way on it will not be answered."""
        self._tally.lost_connections += 1
        self._forget_asked()

    def close(self) -> None:
        self.session.close()
        self._forget_asked()

    def send_value(self) -> None:
        self.value = (self.value + self.step) % SIZE
        ask = self._ask(_Asked(perf_counter(), self._values, self.value))
        self._values.ask(ask, (self.value,))
        self.session.send(b'42%d["numbers:set",{"value":%d}]' % (ask, self.value))

    def draw(self) -> None:
        event = random.choice(_DRAWS)  # noqa: S311  # no secret
        ask = self._ask(_Asked(perf_counter(), self._steps, None))
        self._steps.ask(ask, _OUTCOMES[event])
        self.session.send(b'42%d["%b"]' % (ask, event))

    def _ask(self, asked: _Asked) -> int:
        self._asks += 1
        self._awaited[self._asks] = asked
        self._tally.sent += 1
        self._tally.all_answered.clear()
        return self._asks

    def _take_ack(self, _client: Client, frame: bytes) -> None:
        end = frame.index(b"[")
        ask, tally = int(frame[2:end]), self._tally
        asked = self._awaited.pop(ask, None)
        if asked is None:
            return
        answer: dict[str, Any] = msgspec.json.decode(frame[end + 1 : -1])
        if "error" in answer:
            code = answer["error"]["code"]
            tally.refused[code] += 1
            (asked.what.refuse if code in _CERTAINLY_NOT_DONE else asked.what.doubt)(ask)
        else:
            tally.latencies.add(perf_counter() - asked.at)
            number = answer["number" if asked.value is None else "value"]
            asked.what.grant(ask, number)
            if asked.value is None:
                self.step = number
            else:
                tally.wrong += number != asked.value
        tally.settled(answered=1)

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
        self._tally.settled(never_answered=len(self._awaited))
        self._awaited.clear()
