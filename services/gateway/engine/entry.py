"""The HTTP entry: handshakes, polls, posts and upgrades, and what a request is refused for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from services.gateway.engine import packets
from services.gateway.engine.cors import Cors
from services.gateway.engine.ids import new_id
from services.gateway.engine.polling import Polling, TooLarge, read_body
from services.gateway.engine.session import PROTOCOL_ERROR, TRANSPORT_ERROR, Session, Shared, Transport, Work
from services.gateway.engine.upgrade import UPGRADE_WITHIN_S, Probing
from services.gateway.engine.websocket import NotAHandshake, WebSocket, accept
from services.gateway.engine.wheel import Wheel

_COARSE_TICK_S: Final = 0.1

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
    def __init__(self, shared: Shared, on_connect: OnConnect, cors: Cors, max_payload: int) -> None:
        self._shared = shared
        self._on_connect = on_connect
        self._cors = cors
        self._max_payload = max_payload
        self._closing: Wheel[WebSocket] = Wheel(_COARSE_TICK_S, WebSocket.give_up)
        self._probings: Wheel[Probing] = Wheel(_COARSE_TICK_S, Probing.end)

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
            return await (self._open_polling(request) if transport == "polling" else self._open_websocket(request))
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
        self._open(request, sid, polling)
        return _text(packets.encode_payload([self._handshake(sid, ["websocket"])]))

    async def _open_websocket(self, request: web.Request) -> web.StreamResponse:
        sid = new_id()
        websocket, response = await self._accept(request, self._handshake(sid, []))
        session = self._open(request, sid, websocket)
        websocket.on_packet = session.receive
        websocket.on_lost = session.lost
        return response

    async def _accept(self, request: web.Request, first: bytes = b"") -> tuple[WebSocket, web.StreamResponse]:
        try:
            return await accept(request, first, self._max_payload, self._closing)
        except NotAHandshake:
            raise Refusal(*_BAD_REQUEST) from None

    def _handshake(self, sid: str, upgrades: list[str]) -> bytes:
        """Section "Handshake": the frame of the OPEN packet."""
        handshake = {
            "sid": sid,
            "upgrades": upgrades,
            "pingInterval": round(self._shared.ping_interval_s * 1000),
            "pingTimeout": round(self._shared.ping_timeout_s * 1000),
            "maxPayload": self._max_payload,
        }
        return packets.text_frame(packets.OPEN.encode() + msgspec.json.encode(handshake))

    def _open(self, request: web.Request, sid: str, transport: Transport) -> Session:
        session = Session(sid, self._shared, transport)
        work = self._on_connect(sid, {"aiohttp.request": request})
        if work is not None:
            session.run(work)
        return session

    async def _upgrade(self, request: web.Request, session: Session, polling: Polling) -> web.StreamResponse:
        if polling.probe is not None:
            raise Refusal(*_BAD_REQUEST)
        websocket, response = await self._accept(request)
        if session.closed or session.transport is not polling or polling.probe is not None:
            websocket.close(PROTOCOL_ERROR)
        else:
            self._probings.put(Probing(session, polling, websocket), UPGRADE_WITHIN_S)
        return response

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
