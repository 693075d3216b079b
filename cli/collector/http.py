"""The server's HTTP API as the collector needs it: every answer a result, or one of `faults`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, TypeVar

import aiohttp
import msgspec

from cli.answers import SignedIn, reason_of, refusal_of, seconds_of
from cli.collector.faults import Hopeless, Lost, Refused, Trouble
from services.sales.contract import Records

T = TypeVar("T")

ANSWERS_WITHIN_S: Final = 20.0
CONNECTS_WITHIN_S: Final = 10.0


class Http:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = session

    async def records(self, token: str, cursor: str, *, limit: int, wait_s: float) -> Records:
        """A page. Raises `Refused`, `Lost`, `Trouble` or `Hopeless`."""
        query = {"limit": str(limit), "wait": f"{wait_s:g}", **({"after": cursor} if cursor else {})}
        status, body, _ = await self._ask("GET", "/api/sales/records", token, query=query, wait_s=wait_s)
        if status == 401:
            raise Refused
        if status == 400 and cursor:
            raise Lost
        if status != 200:
            raise self._fault(status, body)
        return self._decoded(body, Records)

    async def sign_in(self, path: str, request: Mapping[str, str], token: str | None = None) -> SignedIn:
        """Raises `Refused` where the password or the token is not believed, else as `records`."""
        status, body, retry_after_s = await self._ask("POST", path, token, json=request)
        if status == 401:
            raise Refused
        if status == 429:
            raise Trouble(_message(body), retry_after_s=retry_after_s)
        if status != 200:
            raise self._fault(status, body)
        return self._decoded(body, SignedIn)

    async def sign_out(self, token: str) -> None:
        await self._ask("POST", "/api/auth/logout", token, json={})

    async def _ask(
        self,
        method: str,
        path: str,
        token: str | None,
        *,
        query: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
    ) -> tuple[int, bytes, float]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S + wait_s, sock_connect=CONNECTS_WITHIN_S)
        try:
            async with self._session.request(
                method, self.url + path, params=query, json=json, headers=headers, timeout=timeout,
                allow_redirects=False,  # a token is for this server and no other
            ) as answer:  # fmt: skip
                return answer.status, await answer.read(), seconds_of(answer.headers.get("Retry-After", "")) or 0.0
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Hopeless(
                f"{self.url} is no address of a server, as in http://127.0.0.1:8080", os.EX_USAGE
            ) from None
        except TimeoutError:
            raise Trouble(f"{self.url} does not answer in time") from None
        except (aiohttp.ClientError, OSError) as fault:
            raise Trouble(f"{self.url} cannot be reached ({reason_of(fault)})") from None

    def _fault(self, status: int, body: bytes) -> Exception:
        if 300 <= status < 400:
            return Hopeless(
                f"{self.url} leads elsewhere (status {status}). Use the address that it leads to.", os.EX_PROTOCOL
            )
        if status == 403:
            return Hopeless(_message(body), os.EX_NOPERM)
        if status == 400:
            return Hopeless(f"{self.url} does not understand this collector: {_message(body)}", os.EX_PROTOCOL)
        # 404 is what a gateway answers whose services have still to start.
        return Trouble(f"{self.url} answers {status}: {_message(body)}")

    def _decoded(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Trouble(f"{self.url} does not answer as a Pulso does") from None


def _message(body: bytes) -> str:
    refusal = refusal_of(body)
    return refusal.message if refusal else "no reason given"
