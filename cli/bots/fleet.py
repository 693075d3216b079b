"""The bots: each a guest with a connection of its own, which comes back, and reads its number back at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

import aiohttp

from cli.live.account import Account, Away, Denied, Guest
from cli.live.address import Server
from cli.live.number_client import NumberClient, Tally
from cli.live.rhythm import Rhythm
from cli.live.session import Ended, Keeper
from cli.live.socket import Refused

SIGNING_IN_AT_ONCE: Final = 16
CONNECTING_AT_ONCE: Final = 64
"""More would queue in the kernel."""
LOOK_EVERY_S: Final = 5.0
LAST_ANSWERS_WITHIN_S: Final = 10.0
READ_BACK_WITHIN_S: Final = 30.0
READ_BACK_PER_SECOND: Final = 50
"""Bots that are read back in a second at the least; a slower server is given up."""

_LIMITED: Final = "rate_limited"


class NoRoom(Exception):
    """The server takes no more connections from here."""


class Fleet:
    """`say` is given sentences for a person, each of them once."""

    def __init__(
        self, http: aiohttp.ClientSession, servers: Sequence[Server], count: int, *, say: Callable[[str], None]
    ) -> None:
        self.tally = Tally()
        self.rhythm = Rhythm()
        self.resumes = 0
        self.gone: Counter[str] = Counter()
        """Bots that the server does not want back, by why."""
        self.unchecked = 0
        """Bots whose numbers could not be read back."""
        self.signed_in = 0
        self._say = say
        self._said: set[str] = set()
        self._signing_in = asyncio.Semaphore(SIGNING_IN_AT_ONCE)
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._all_signed_in = asyncio.Event()
        self._has_started = False
        self._bots = [_Bot(self, http, servers, number) for number in range(1, count + 1)]
        self._lives: list[asyncio.Task[None]] = []

    @property
    def count(self) -> int:
        return len(self._bots)

    @property
    def connected(self) -> int:
        return sum(bot.number.is_live for bot in self._bots)

    async def start(self) -> None:
        """Returns once every bot lives. Raises `NoRoom`, `Denied` and `Ended`.

        All sign in before the first connects: signing in is dear, and those that live would only slow it down.
        """
        self._lives = [asyncio.create_task(bot.live(), name="bot") for bot in self._bots]
        await asyncio.gather(*(bot.started for bot in self._bots))
        self._has_started = True

    async def keep(self) -> None:
        """The bots' rhythm, and an eye on servers that vanish, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rhythm.keep())
            group.create_task(self._watch())

    async def stop(self) -> None:
        """No bot sends any more; returns once what is under way is answered, or will not be."""
        self.rhythm.stop()
        try:
            async with asyncio.timeout(LAST_ANSWERS_WITHIN_S):
                await self.tally.all_answered()
        except TimeoutError:
            self._say(f"{self.tally.open} answers did not come within {LAST_ANSWERS_WITHIN_S:g} s")
        for life in self._lives:
            life.cancel()
        if self._lives:
            await asyncio.wait(self._lives)
        for bot in self._bots:
            bot.number.close()

    async def read_back(self) -> None:
        """Every bot that ever lived connects once more, and is told its number: see `Tally.forgotten`."""
        bots = [bot for bot in self._bots if bot.has_lived]
        tasks = [asyncio.create_task(bot.read_back(), name="read back") for bot in bots]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=READ_BACK_WITHIN_S + len(bots) / READ_BACK_PER_SECOND)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks)
        self.unchecked = sum(not bot.is_read_back for bot in bots)

    async def connect(self, bot: _Bot, url: str, token: str) -> None:
        async with self._connecting:
            await bot.number.connect(url, token)

    async def sign_in(self, bot: _Bot) -> None:
        """Returns once all bots are, so that they begin together."""
        async with self._signing_in:
            await bot.keeper.connect(_not_yet)
        self.signed_in += 1
        if self.signed_in == self.count:
            self._all_signed_in.set()
        await self._all_signed_in.wait()

    def failed(self, fault: Exception, seconds: float) -> None:
        """A bot waits, and tries again. What a person can do about it is said."""
        if isinstance(fault, Refused) and fault.code == _LIMITED:
            if not self._has_started:
                raise NoRoom(_no_room(self.connected))
            self._say_once("room", _no_room(self.connected))
        elif isinstance(fault, Away) and fault.code == _LIMITED:
            self._say_once(
                "guests",
                f"The server admits only so many guests a minute from one address: {self.signed_in} of "
                f"{self.count} are in, the next in {seconds:.0f} s. Start it with "
                "PULSO_LIMIT_GUESTS_PER_MINUTE=0 to have all at once.",
            )
        elif not self._has_started:
            self._say_once(type(fault).__name__, f"{fault}; trying again")

    def _say_once(self, kind: str, sentence: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(sentence)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = monotonic()
            for bot in self._bots:
                bot.number.session.give_up_if_silent(now)


class _Bot:
    def __init__(self, fleet: Fleet, http: aiohttp.ClientSession, servers: Sequence[Server], number: int) -> None:
        self.number = NumberClient(fleet.tally)
        self.has_lived = False
        self.is_read_back = False
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.keeper = Keeper(
            Account(http, Guest(f"Bot {number}"), begins_anew=False),
            servers,
            on_waiting=fleet.failed,
            first_server=number,
        )
        self._fleet = fleet

    async def open(self, url: str, token: str) -> None:
        await self._fleet.connect(self, url, token)

    async def live(self) -> None:
        """Until cancelled, or until the server ends the session."""
        fleet = self._fleet
        try:
            await fleet.sign_in(self)
            await self.keeper.connect(self.open)
            self.has_lived = True
            self.started.set_result(None)
            while True:
                fleet.rhythm.begin(self.number)
                why = await self.number.session.until_lost()
                self.number.lose()
                await self.keeper.after_loss(why)
                await self.keeper.connect(self.open)
                fleet.resumes += 1
        except (Denied, Ended, NoRoom) as fault:
            self.number.close()
            if not self.started.done():
                self.started.set_exception(fault)
            else:
                fleet.gone[str(fault)] += 1

    async def read_back(self) -> None:
        try:
            await self.keeper.connect(self.open)
        except (Denied, Ended):
            return
        finally:
            self.number.close()
        self.is_read_back = True


async def _not_yet(_url: str, _token: str) -> None:
    """Be content with the access token."""


def _no_room(count: int) -> str:
    return (
        f"The server takes no more connections from this address: {count} are open. "
        "Start it with PULSO_LIMIT_CONNECTIONS_PER_ADDRESS=0."
    )
