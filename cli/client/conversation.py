"""The client's talk with the server: it stays connected, hears events, asks, and asks again where it must."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from cli.client.views import View
from cli.live.account import Account
from cli.live.address import Server
from cli.live.backoff import wait_s
from cli.live.session import Keeper, Session
from cli.live.socket import Client, argument_of, event_frame

ANSWERED_WITHIN_S: Final = 15.0
"""The server answers within 5 s, if only that it could not; past this the connection is not to be trusted."""
TRIES: Final = 8
LOOK_EVERY_S: Final = 5.0

_AGAIN_LATER: Final = frozenset({"rate_limited", "unavailable", "timeout"})
_NOT_SHOWN: Final = frozenset({"session:ready", "session:ended"})


class NoAnswer(Exception):
    """The server's refusal: `code`, and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Conversation:
    def __init__(self, account: Account, servers: Sequence[Server], view: View) -> None:
        self._view = view
        self._session = Session(on_event=self._hear, on_ack=self._take_ack)
        self._keeper = Keeper(
            account, servers, on_waiting=lambda fault, seconds: view.waiting(str(fault), seconds)
        )
        self._opened = asyncio.Event()
        self._acks = 0
        self._awaited: dict[bytes, asyncio.Future[Any]] = {}

    async def run(self) -> None:
        """Stay connected, until cancelled. Raises `Denied` and `Ended`."""
        while True:
            await self._keeper.connect(self._session.open)
            self._opened.set()
            self._view.connected(self._session.ready["user"], self._session.ready["gateway"])
            try:
                why = await self._session.until_lost()
            finally:
                self._lose()
            await self._keeper.after_loss(why)

    async def watch(self) -> None:
        """Notice a server that has vanished, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._session.give_up_if_silent(monotonic())

    async def until_connected(self) -> None:
        await self._opened.wait()

    async def ask(self, event: str, payload: Any) -> Any:
        """The answer to something that only reads: it is asked again where the connection is lost meanwhile.

        Raises `NoAnswer`; a server that is only busy is asked a few times before that.
        """
        failures = 0
        while True:
            answer = await self._ask_once(event, payload)
            error = answer.get("error") if isinstance(answer, dict) else None
            if error is None:
                return answer
            failures += 1
            if error["code"] not in _AGAIN_LATER or failures == TRIES:
                raise NoAnswer(error["code"], error["message"])
            await asyncio.sleep(wait_s(failures))

    def close(self) -> None:
        self._session.close()

    async def _ask_once(self, event: str, payload: Any) -> Any:
        while True:
            await self._opened.wait()
            self._acks += 1
            number = str(self._acks).encode()
            answered = self._awaited[number] = asyncio.get_running_loop().create_future()
            self._session.send(event_frame(event, payload, ack=self._acks))
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    return await answered
            except TimeoutError:
                raise NoAnswer("timeout", "No answer came.") from None
            except _Lost:
                continue
            finally:
                self._awaited.pop(number, None)

    def _hear(self, _client: Client, frame: bytes) -> None:
        name, *payload = json.loads(frame[frame.index(b"[") :])
        if name not in _NOT_SHOWN:
            self._view.event(name, payload[0] if payload else None)

    def _take_ack(self, _client: Client, frame: bytes) -> None:
        answered = self._awaited.get(frame[2 : frame.index(b"[")])
        if answered is not None and not answered.done():
            answered.set_result(argument_of(frame))

    def _lose(self) -> None:
        self._opened.clear()
        for answered in self._awaited.values():
            if not answered.done():
                answered.set_exception(_Lost())


class _Lost(Exception):
    """The connection went before the answer came."""
