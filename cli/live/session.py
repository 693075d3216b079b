"""A connection as one account's: greeted by the server, lost, made again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final

from cli.live.account import Account, Away
from cli.live.address import Server
from cli.live.backoff import wait_s
from cli.live.socket import Client, NotConnected, OnFrame, Refused, argument_of

GREETED_WITHIN_S: Final = 30.0
STEADY_AFTER_S: Final = 5.0
"""A connection that lasted this long was a good one: the waits begin anew."""

_OF_THE_SESSION: Final = b'42["session:'
_READY: Final = b'42["session:ready"'
_ENDED: Final = b'42["session:ended"'

Open = Callable[[str, str], Awaitable[None]]


class Ended(Exception):
    """The server has ended the session, and does not want it back: `reason` as in `session:ended`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server has ended the session: {reason}")
        self.reason = reason


class Session:
    """At most one connection at a time. `on_event` is handed the frames of all events, the session's too.

    `on_lost` is called once a connection is that was open, and was not closed here.
    """

    def __init__(self, *, on_event: OnFrame, on_ack: OnFrame, on_lost: Callable[[], None] | None = None) -> None:
        self.is_open = False
        self.send: Callable[[bytes], None] = _not_opened
        """Send a frame on the connection that was opened last; each has one of its own."""
        self.ready: dict[str, Any] = {}
        """What `session:ready` said: who we are, and at which gateway."""
        self._on_event = on_event
        self._on_ack = on_ack
        self._on_lost = on_lost
        self._client: Client | None = None
        self._greeted: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[str] | None = None
        self._ended: str | None = None

    async def open(self, url: str, token: str) -> None:
        """Connect to `ws://host:port`; returns once the server has said `session:ready`.

        Raises `NotConnected`, and `Ended` where the server greets only to end the session.
        """
        self.close()
        loop = asyncio.get_running_loop()
        self._greeted, self._lost = loop.create_future(), loop.create_future()
        self._client = Client(on_event=self._take_event, on_ack=self._on_ack, on_lost=self._lose)
        await self._client.connect(url, token)
        self.send = self._client.send
        self.is_open = True
        done, _ = await asyncio.wait(
            (self._greeted, self._lost), timeout=GREETED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
        )
        if self._greeted not in done:
            self.close()
            raise NotConnected(await self.until_lost() if done else "the server does not greet us")

    async def until_lost(self) -> str:
        """Returns why, once the connection is. Raises `Ended` where it is not to be made again."""
        assert self._lost is not None, "opened first"
        why = await asyncio.shield(self._lost)
        if self._ended is not None:
            raise Ended(self._ended)
        return why

    def close(self) -> None:
        self.is_open = False
        if self._client is not None:
            self._client.close()

    def give_up_if_silent(self, now: float) -> None:
        """As `Client.give_up_if_silent`."""
        if self._client is not None:
            self._client.give_up_if_silent(now)

    def _take_event(self, client: Client, frame: bytes) -> None:
        if frame.startswith(_OF_THE_SESSION):
            if frame.startswith(_READY):
                self.ready = argument_of(frame)
                if self._greeted is not None and not self._greeted.done():
                    self._greeted.set_result(None)
            elif frame.startswith(_ENDED):
                self._ended = str(argument_of(frame)["reason"])
        self._on_event(client, frame)

    def _lose(self, client: Client, why: str) -> None:
        if client is self._client and self._lost is not None and not self._lost.done():
            self.is_open = False
            self._lost.set_result(why)
            if self._on_lost is not None:
                self._on_lost()


def _not_opened(_frame: bytes) -> None:
    raise AssertionError("opened first")


class Keeper:
    """Connects an account, again and again: waits longer each time, and tries the next server.

    `on_waiting` is told what went wrong, and for how many seconds it waits now.
    """

    def __init__(
        self,
        account: Account,
        servers: Sequence[Server],
        *,
        on_waiting: Callable[[Exception, float], None],
        first_server: int = 0,
    ) -> None:
        self._account = account
        self._servers = servers
        self._on_waiting = on_waiting
        self._turn = first_server
        self._failures = 0
        self._connected_at = monotonic()

    async def connect(self, open_: Open) -> None:
        """Returns once `open_`, which is given a URL and a token, succeeds.

        Raises `Denied` and `Ended`: then there is no sense in trying again.
        """
        while True:
            server = self._servers[self._turn % len(self._servers)]
            try:
                token = await self._account.token(server)
                await open_(server.ws, token)
            except (Away, NotConnected) as fault:
                if isinstance(fault, Refused) and fault.code == "unauthorized":
                    self._account.distrust()
                self._turn += 1
                await self._wait(fault)
            else:
                self._connected_at = monotonic()
                return

    async def after_loss(self, why: str) -> None:
        """Wait before `connect` is called anew: not all at once, and longer where it was a short connection."""
        if monotonic() - self._connected_at > STEADY_AFTER_S:
            self._failures = 0
        self._turn += 1
        await self._wait(NotConnected(why))

    async def _wait(self, fault: Exception) -> None:
        seconds = wait_s(self._failures)
        if isinstance(fault, Away) and fault.retry_after_s:
            seconds += fault.retry_after_s
        self._failures += 1
        self._on_waiting(fault, seconds)
        await asyncio.sleep(seconds)
