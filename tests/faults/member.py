"""A member of a room who does what the wire contract asks of a client, and records all that happens.

It comes back when its connection ends; fetches what it has not by `after` when it comes back, when the server says
`session:resync` and when a number is left out; and sends again, with the same id, what was not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any, Final
from uuid import UUID

from cli.live.socket import Client, NotConnected, argument_of, event_frame
from tests.faults.history import Acked, Ended, Fetched, Heard, Message, Record, Resynced, Sent

ROOM: Final = "sala-1"
ANSWERED_WITHIN_S: Final = 20.0
AGAIN_S: Final = 0.1
PAGE: Final = 200

CUT_ONE_IN: Final = 100
"""So often a member's own network fails while it sends."""
TWICE_ONE_IN: Final = 20
"""So often it sends again although it was acknowledged, as when the answer was lost on the way."""

CUT: Final = "cut"
"""A connection that the member itself has ended, and what is answered to all that was under way on it."""
LOST: Final = "lost"
"""What became of a call whose connection ended before the answer came."""
MAY_BE_TRIED_AGAIN: Final = (CUT, LOST, "timeout", "unavailable")

_connections = itertools.count(1)


class Member:
    def __init__(self, name: str, token: str, port: int, history: list[Record], chance: Random) -> None:
        self.name = name
        self.acks = 0
        self.has = 0
        """The number of the last message up to which none is missing."""
        self.refusals: Counter[str] = Counter()
        self.unanswered: list[str] = []
        """Calls that got no answer at all, though their connection stood."""
        self._token = token
        self._url = f"ws://127.0.0.1:{port}"
        self._history = history
        self._chance = chance
        self._ahead: set[int] = set()
        self._client: Client | None = None
        self._number = 0
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._call_ids = itertools.count(1)
        self._is_behind = asyncio.Event()
        self._is_in = asyncio.Event()

    @contextlib.asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """In the room meanwhile, but for the time that it takes to come back."""
        staying = asyncio.create_task(self._stay(), name=self.name)
        try:
            await self._is_in.wait()
            yield
        finally:
            staying.cancel()
            await asyncio.wait((staying,))
            if self._client is not None:
                self._client.close()
            if not staying.cancelled():
                staying.result()

    async def say(self, text: str) -> None:
        """Returns once it is acknowledged, however often it has to be sent."""
        id_ = str(UUID(int=self._chance.getrandbits(128), version=4))
        self._history.append(Sent(_now(), self.name, id_, text))
        repeats = not self._chance.randrange(TWICE_ONE_IN)
        for _ in range(1 + repeats):
            message = await self._said(id_, text)
            self._history.append(Acked(_now(), self.name, id_, message))
        self.acks += 1

    async def catch_up(self) -> None:
        """Ask for what is missing, whether anything is or not; returns once nothing is."""
        self._is_in.clear()
        self._is_behind.set()
        await self._is_in.wait()

    async def _said(self, id_: str, text: str) -> Message:
        while True:
            await self._is_in.wait()
            cut = not self._chance.randrange(CUT_ONE_IN)
            answer = await self._call("chat:send", {"id": id_, "text": text}, cut=cut)
            if "error" not in answer:
                return _message(answer)
            code = answer["error"]["code"]
            self._refused(code)
            if code == "forbidden":  # the server thinks that we have left
                self._is_in.clear()
                self._is_behind.set()
            else:
                assert code in MAY_BE_TRIED_AGAIN, answer
                await asyncio.sleep(AGAIN_S)

    async def _stay(self) -> None:
        while True:
            # Ours from the first byte on: it may be lost again before we come to know that it is connected.
            client = self._client = Client(on_event=self._heard, on_ack=self._answered, on_lost=self._gone)
            self._number = next(_connections)
            try:
                await client.connect(self._url, self._token)
            except NotConnected:
                await asyncio.sleep(AGAIN_S)
                continue
            self._is_behind.set()
            while self._client is client:
                await self._is_behind.wait()
                self._is_behind.clear()
                if self._client is client and not await self._fetched():
                    await asyncio.sleep(AGAIN_S)
                    self._is_behind.set()

    async def _fetched(self) -> bool:
        """Join, and have all that came since; False where that did not work."""
        connection, after = self._number, self.has
        answer = await self._call("chat:join", {"room": ROOM, "after": after})
        if "error" in answer:
            self._refused(answer["error"]["code"])
            return False
        messages = tuple(map(_message, answer["messages"]))
        if answer.get("gap") and not await self._fetched_pages(connection, upto=messages[0].seq - 1):
            return False
        if answer.get("gap"):
            after = messages[0].seq - 1
        self._take(Fetched(_now(), self.name, connection, after, answer["seq"], messages))
        self._is_in.set()
        return True

    async def _fetched_pages(self, connection: int, *, upto: int) -> bool:
        """More was missed than comes with the answer to joining: that before it."""
        while (after := self.has) < upto:
            answer = await self._call("chat:history", {"room": ROOM, "after": after, "limit": PAGE})
            if "error" in answer:
                self._refused(answer["error"]["code"])
                return False
            messages = tuple(map(_message, answer["messages"]))
            self._take(Fetched(_now(), self.name, connection, after, messages[-1].seq, messages))
        return True

    async def _call(self, event: str, payload: dict[str, Any], *, cut: bool = False) -> Any:
        client = self._client
        if client is None:
            return _error(LOST)
        id_ = next(self._call_ids)
        answered = self._calls[id_] = asyncio.get_running_loop().create_future()
        client.send(event_frame(event, payload, ack=id_))
        if cut:
            client.close()
            self._gone(client, CUT)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await answered
        except TimeoutError:
            self.unanswered.append(f"{event} on connection {self._number}")
            client.close()
            self._gone(client, "unanswered")
            return _error(LOST)
        finally:
            del self._calls[id_]

    def _heard(self, client: Client, frame: bytes) -> None:
        if client is not self._client:
            return
        if frame.startswith(b'42["chat:message",'):
            message = _message(argument_of(frame))
            self._take(Heard(_now(), self.name, self._number, message))
            if self._ahead:
                self._is_behind.set()
        elif frame.startswith(b'42["session:resync"'):
            self._history.append(Resynced(_now(), self.name, self._number))
            self._is_behind.set()

    def _take(self, record: Heard | Fetched) -> None:
        self._history.append(record)
        messages = (record.message,) if isinstance(record, Heard) else record.messages
        self._ahead.update(message.seq for message in messages)
        while self.has + 1 in self._ahead:
            self.has += 1
        self._ahead = {seq for seq in self._ahead if seq > self.has}

    def _answered(self, client: Client, frame: bytes) -> None:
        answered = self._calls.get(int(frame[2 : frame.index(b"[")]))
        if client is self._client and answered is not None and not answered.done():
            answered.set_result(json.loads(frame[frame.index(b"[") :])[0])

    def _refused(self, code: str) -> None:
        if code != CUT:
            self.refusals[code] += 1

    def _gone(self, client: Client, why: str) -> None:
        if client is not self._client:
            return
        self._client = None
        self._is_in.clear()
        self._is_behind.set()
        self._history.append(Ended(_now(), self.name, self._number))
        for answered in self._calls.values():
            if not answered.done():
                answered.set_result(_error(CUT if why == CUT else LOST))


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code}}


def _message(told: dict[str, Any]) -> Message:
    assert told["room"] == ROOM, told
    return Message(told["seq"], told["id"], told["author"]["name"], told["text"])


def _now() -> float:
    return asyncio.get_running_loop().time()
