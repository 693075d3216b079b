"""A number client as the browser's: its value by its step every 500 ms, a draw at a random 3 to 5 s.

What it was promised is remembered: the server must still know it when the client comes back.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from time import perf_counter
from typing import Any, Final

from bench.client import Client, Unfit, argument_of

VALUE_EVERY_S: Final = 0.5
DRAW_AFTER_S: Final = (3.0, 5.0)
SIZE: Final = 100
GREETED_WITHIN_S: Final = 30.0
GREETING: Final = b'42["numbers:value",'


class Tally:
    """What all number clients of a run have seen together."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.refused: Counter[str] = Counter()
        self.wrong = 0
        self.lost_connections = 0
        self.latencies_s: list[float] = []
        self.all_answered = asyncio.Event()


class NumberClient:
    def __init__(self, token: str | None, tally: Tally) -> None:
        self.token = token
        self.value = 0
        self.step = 1
        self.promised_value = 0
        self._is_certain = {"value": True, "step": True}
        self._greeting: asyncio.Future[tuple[int, int]] | None = None
        self._tally = tally
        self._acks = 0
        self._awaited: dict[bytes, tuple[float, int | None]] = {}
        self._client: Client | None = None

    def is_kept(self, value: int, step: int) -> bool:
        """Whether this is what was promised. What was refused last may have been done all the same."""
        return (value == self.promised_value or not self._is_certain["value"]) and (
            step == self.step or not self._is_certain["step"]
        )

    async def connect(self, port: int) -> tuple[int, int]:
        """Returns the value and the step that the server greets with. Raises `Unfit`."""
        greeting: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._greeting = greeting
        self._client = Client(on_event=self._take_event, on_ack=self._take_ack, on_lost=self._lose)
        await self._client.connect(port, self.token)
        try:
            async with asyncio.timeout(GREETED_WITHIN_S):
                return await greeting
        except TimeoutError:
            raise Unfit("a client was not greeted with its value") from None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def send_value(self) -> None:
        self.value = (self.value + self.step) % SIZE
        self._ask("numbers:set", f',{{"value":{self.value}}}', self.value)

    def draw(self) -> None:
        self._ask(random.choice(("numbers:even", "numbers:odd")), "", None)  # noqa: S311  # no secret

    def _ask(self, event: str, argument: str, value: int | None) -> None:
        assert self._client is not None, "connected first"
        self._acks += 1
        number = str(self._acks)
        self._awaited[number.encode()] = (perf_counter(), value)
        self._tally.sent += 1
        self._tally.all_answered.clear()
        self._client.send(f'42{number}["{event}"{argument}]'.encode())

    def _take_ack(self, _client: Client, frame: bytes) -> None:
        end = frame.index(b"[")
        sent_at, value = self._awaited.pop(frame[2:end])
        tally = self._tally
        tally.latencies_s.append(perf_counter() - sent_at)
        tally.answered += 1
        if tally.answered == tally.sent:
            tally.all_answered.set()
        answer: dict[str, Any] = json.loads(frame[end + 1 : -1])
        self._is_certain["step" if value is None else "value"] = "error" not in answer
        if "error" in answer:
            tally.refused[answer["error"]["code"]] += 1
        elif value is None:
            self.step = answer["number"]
        else:
            self.promised_value = answer["value"]
            tally.wrong += answer["value"] != value

    def _take_event(self, _client: Client, frame: bytes) -> None:
        if frame.startswith(GREETING) and self._greeting is not None and not self._greeting.done():
            told = argument_of(frame)
            self._greeting.set_result((told["value"], told["step"]))

    def _lose(self, _client: Client) -> None:
        self._tally.lost_connections += 1
