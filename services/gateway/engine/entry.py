"""The HTTP entry: handshakes, polls, posts and upgrades, and what a request is refused for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.http import RawRequestMessage

from services.gateway.engine import packets
from services.gateway.engine.cors import Cors
from services.gateway.engine.endings import PROTOCOL_ERROR, TRANSPORT_ERROR
from services.gateway.engine.handshake import Handshake, MoreHeaders, NotAHandshake, accept_key, switching
from services.gateway.engine.ids import new_id
from services.gateway.engine.polling import Polling, TooLarge, read_body
from services.gateway.engine.session import Session, Shared, Work
from services.gateway.engine.transport import Transport
from services.gateway.engine.upgrade import UPGRADE_WITHIN_S, Probing
from services.gateway.engine.websocket import WebSocket
from services.gateway.engine.wheel import Wheel

_COARSE_TICK_S: Final = 0.1

HANDSHAKE: Final = "pulso.handshake"
"""The key of the `Handshake` in the environ that connect handlers get."""

OnConnect = Callable[[str, dict[str, Any]], Work]


class Refusal(Exception):
    """Codes and texts are the reference implementation's, which its clients show."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


_UNKNOWN_TRANSPORT: Final = (0, "Transport unknown")
_UNKNOWN_SESSION: Final = (1, "Session ID unknown")
_BAD_METHOD: Final = (2, "Bad handshake method")
_BAD_REQUEST: Final = (3, "Bad request")
_UNKNOWN_VERSION: Final = (5, "Unsupported protocol version")
_TOO_LARGE: Final = (3, "Payload too large", 413)


class Entry:
    def __init__(
        self, shared: Shared, on_connect: OnConnect, cors: Cors, max_payload: int, more_headers: MoreHeaders
    ) -> None:
        self._shared = shared
        self._on_connect = on_connect
        self._cors = cors
        self._max_payload = max_payload
        self._more_headers = more_headers
        self._closing: Wheel[WebSocket] = Wheel(_COARSE_TICK_S, WebSocket.give_up)
        self._probings: Wheel[Probing] = Wheel(_COARSE_TICK_S, Probing.end)

    def open_at_once(self, message: RawRequestMessage, connection: asyncio.Transport) -> bool:
        """Open a session where this is plainly a new client's WebSocket handshake, without a body.

        For all else the answer is False, and nothing has happened: aiohttp handles it, and says what is wrong.
        """
        query = message.url.query
        if query.get("transport") != "websocket" or "sid" in query or query.get("EIO") != "4":
            return False
        handshake = Handshake(message.headers, _peer(connection), "http")
        if "Expect" in message.headers or not self._cors.allows(handshake):
            return False
        try:
            key = accept_key(message.method, message.version, message.headers)
        except NotAHandshake:
            return False
        self._open_websocket(handshake, connection, key)
        return True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self._cors.allows(request):
            return self._cors.forbidden()
        if request.method == "OPTIONS" and self._cors.is_on:
            return self._cors.preflight(request)
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            body = {"code": refusal.code, "message": str(refusal)}
            response = web.json_response(body, status=refusal.status)
        except ConnectionError:  # nobody is there to read it
            response = web.Response(status=400)
        if not response.prepared:
            self._cors.add_headers(request, response)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Section "Transports": a request names version, transport, and its session once there is one."""
        query = request.query
        transport, sid = query.get("transport", ""), query.get("sid")
        if transport not in {"polling", "websocket"}:
            raise Refusal(*_UNKNOWN_TRANSPORT)
        if query.get("EIO") != "4":
            raise Refusal(*_UNKNOWN_VERSION)
        if sid is None:
            if request.method != "GET":
                raise Refusal(*_BAD_METHOD)
            return await (self._open_polling(request) if transport == "polling" else self._accept(request))
        session = self._shared.sessions.get(sid)
        if session is None:
            raise Refusal(*_UNKNOWN_SESSION)
        polling = session.transport
        if not isinstance(polling, Polling):  # it has upgraded, or never polled
            raise Refusal(*_BAD_REQUEST)
        serve: Callable[[web.Request, Session, Polling], Awaitable[web.StreamResponse]] | None = {
            ("polling", "GET"): self._poll,
            ("polling", "POST"): self._post,
            ("websocket", "GET"): self._upgrade,
        }.get((transport, request.method))
        if serve is None:
            raise Refusal(*_BAD_METHOD)
        return await serve(request, session, polling)

    async def _open_polling(self, request: web.Request) -> web.StreamResponse:
        sid = new_id()
        polling = Polling()
        self._open(Handshake.of(request), sid, polling)
        return _text(packets.encode_payload([self._first(sid, ["websocket"])]))

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        handshake = Handshake.of(request)
        key = _key_of(request)
        connection, early = _taken_from_aiohttp(request)
        self._open_websocket(handshake, connection, key).data_received(early)
        return _Taken()

    def _open_websocket(self, handshake: Handshake, connection: asyncio.Transport, key: bytes) -> WebSocket:
        sid = new_id()
        websocket = self._switch(handshake, connection, key, self._first(sid, []))
        session = self._open(handshake, sid, websocket)
        websocket.on_packet = session.receive
        websocket.on_text = session.receive_text
        websocket.on_others = session.receive_others
        websocket.on_lost = session.lost
        return websocket

    def _switch(
        self, handshake: Handshake, connection: asyncio.Transport, key: bytes, first: bytes = b""
    ) -> WebSocket:
        """Headers and first frame leave in one write: each write wakes the client up, a tenth of a connect."""
        websocket = WebSocket(connection, self._max_payload, self._closing)
        websocket.take([switching(key, self._more_headers(handshake)) + first])
        connection.set_protocol(websocket)
        return websocket

    def _first(self, sid: str, upgrades: list[str]) -> bytes:
        """Section "Handshake": the frame of the OPEN packet."""
        handshake = {
            "sid": sid,
            "upgrades": upgrades,
            "pingInterval": round(self._shared.ping_interval_s * 1000),
            "pingTimeout": round(self._shared.ping_timeout_s * 1000),
            "maxPayload": self._max_payload,
        }
        return packets.text_frame(packets.OPEN.encode() + msgspec.json.encode(handshake))

    def _open(self, handshake: Handshake, sid: str, transport: Transport) -> Session:
        session = Session(sid, self._shared, transport)
        work = self._on_connect(sid, {HANDSHAKE: handshake})
        if work is not None:
            session.run(work)
        return session

    async def _upgrade(self, request: web.Request, session: Session, polling: Polling) -> web.StreamResponse:
        if polling.probe is not None:
            raise Refusal(*_BAD_REQUEST)
        handshake = Handshake.of(request)
        key = _key_of(request)
        connection, early = _taken_from_aiohttp(request)
        websocket = self._switch(handshake, connection, key)
        self._probings.put(Probing(session, polling, websocket), UPGRADE_WITHIN_S)
        websocket.data_received(early)
        return _Taken()

    async def _poll(self, request: web.Request, session: Session, polling: Polling) -> web.StreamResponse:
        """Section "HTTP long-polling": a second GET at once closes the session."""
        if polling.is_polled:
            session.close(PROTOCOL_ERROR, TRANSPORT_ERROR)
            raise Refusal(*_BAD_REQUEST)
        session.flush()
        return _text(await polling.poll(request, session.lost))

    async def _post(self, request: web.Request, session: Session, polling: Polling) -> web.StreamResponse:
        if polling.is_posting:
            session.close(PROTOCOL_ERROR, TRANSPORT_ERROR)
            raise Refusal(*_BAD_REQUEST)
        polling.is_posting = True
        try:
            for packet in packets.decode_payload(await read_body(request, self._max_payload)):
                session.receive(packet)
                if session.closed:
                    if packet[:1] != packets.CLOSE:
                        raise Refusal(*_BAD_REQUEST)
                    break  # what follows is ignored, as on a WebSocket
            await session.settled()
        except packets.Malformed:
            session.close(PROTOCOL_ERROR, TRANSPORT_ERROR)
            raise Refusal(*_BAD_REQUEST) from None
        except TooLarge:
            session.close(PROTOCOL_ERROR, TRANSPORT_ERROR)
            raise Refusal(*_TOO_LARGE) from None
        finally:
            polling.is_posting = False
        return _text("ok")


def _text(body: str) -> web.Response:
    return web.Response(text=body, headers={"Cache-Control": "no-store"})


def _key_of(request: web.Request) -> bytes:
    try:
        if request.body_exists:  # its bytes might be read as frames
            raise NotAHandshake
        return accept_key(request.method, request.version, request.headers)
    except NotAHandshake:
        raise Refusal(*_BAD_REQUEST) from None


def _taken_from_aiohttp(request: web.Request) -> tuple[asyncio.Transport, bytes]:
    """The connection, and what the client has sent behind the request. Raises ConnectionError where it is gone.

    To aiohttp it is as if the client had gone, except that the transport stays open.
    """
    protocol = request.protocol
    connection, early = protocol.transport, protocol._message_tail
    if connection is None:
        raise ConnectionResetError
    protocol.transport = None
    protocol.connection_lost(None)
    return connection, early


class _Taken(web.StreamResponse):
    """Has aiohttp send nothing on a connection that was taken from it."""

    async def prepare(self, _request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, _data: bytes = b"") -> None:
        return None


def _peer(connection: asyncio.Transport) -> str | None:
    """As `web.Request.remote` has it."""
    peer = connection.get_extra_info("peername")
    return peer if peer is None else str(peer[0])
