"""Access tokens for as long as it takes: signed in, renewed before they end, signed in anew where that fails."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Final

from cli.answers import SignedIn
from cli.collector.faults import Hopeless, Refused, Trouble
from cli.collector.http import Http

RENEW_AT: Final = 0.7
"""The part of a token's life after which it is renewed."""
MAX_MARGIN_S: Final = 120.0


class Tokens:
    """With a username and a password, or with a token that is given, or as a guest.

    A given token is renewed like any other one, in memory; where that is refused it is asked for again.
    """

    def __init__(
        self,
        http: Http,
        *,
        username: str = "",
        password: str = "",
        given: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._username = username
        self._password = password
        self._given = given
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self.renewals = 0

    async def get(self) -> str:
        """One that lives for a while yet. Raises `Trouble` or `Hopeless`."""
        if self._token and self._clock() < self._renew_at:
            return self._token
        if not self._token or not await self._renewed(self._token):
            await self._begin()
        return self._token

    def refused(self) -> None:
        """The server did not believe the last one: the next is another one."""
        self._renew_at = 0.0

    async def end(self) -> None:
        """Leave no session behind that was opened here."""
        if self._token and self._given is None:
            with contextlib.suppress(Trouble, Hopeless):
                await self._http.sign_out(self._token)

    async def _begin(self) -> None:
        if self._username:
            request = {"username": self._username, "password": self._password}
            try:
                self._take(await self._http.sign_in("/api/auth/login", request))
            except Refused:
                raise Hopeless(
                    f"{self._username} cannot sign in: username or password do not match. "
                    "Check PULSO_USERNAME and PULSO_PASSWORD.",
                    os.EX_NOPERM,
                ) from None
        elif self._given is not None:
            # It may be nearly over. Renewed at once, it is known how long the next one lives.
            if not await self._renewed(self._given()):
                raise Hopeless("The access token is not valid (any more): a new one is needed.", os.EX_NOPERM)
        else:
            try:
                self._take(await self._http.sign_in("/api/auth/guest", {"name": "Collector"}))
            except Hopeless as fault:
                if fault.code != os.EX_NOPERM:
                    raise
                raise Hopeless(
                    "Guests are not admitted here: set PULSO_USERNAME and PULSO_PASSWORD, or --token-file.",
                    os.EX_NOPERM,
                ) from None

    async def _renewed(self, token: str) -> bool:
        try:
            self._take(await self._http.sign_in("/api/auth/token", {}, token))
        except Refused:
            return False
        self.renewals += 1
        return True

    def _take(self, signed_in: SignedIn) -> None:
        self._token = signed_in.access_token
        life_s = signed_in.expires_in
        self._renew_at = self._clock() + max(RENEW_AT * life_s, life_s - MAX_MARGIN_S)
