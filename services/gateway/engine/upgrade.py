"""From long-polling to WebSocket without losing or reordering a packet (section "Upgrade")."""

from __future__ import annotations

from typing import Final

from services.gateway.engine import packets
from services.gateway.engine.endings import PROTOCOL_ERROR
from services.gateway.engine.polling import Polling
from services.gateway.engine.session import Session
from services.gateway.engine.websocket import WebSocket

UPGRADE_WITHIN_S: Final = 10.0
"""A WebSocket that has not taken over by then is closed; the session goes on polling."""

_PROBED: Final = packets.PING + "probe"
_PROVEN: Final = packets.text_frame(b"3probe")


class Probing:
    """The WebSocket until it is the session's transport: `2probe`, `3probe`, the last poll ends, `5`."""

    __slots__ = ("_polling", "_session", "_websocket", "is_proven")

    def __init__(self, session: Session, polling: Polling, websocket: WebSocket) -> None:
        self._session = session
        self._polling = polling
        self._websocket = websocket
        self.is_proven = False
        polling.probe = self
        websocket.on_packet = self._receive
        websocket.on_others = session.receive_others
        websocket.on_lost = self._lost

    def end(self) -> None:
        """The session is over, or it took too long."""
        if self._polling.probe is self:
            self._polling.probe = None
            self._websocket.close()

    def _receive(self, packet: str | bytes) -> None:
        if packet == _PROBED and not self.is_proven:
            self.is_proven = True
            self._websocket.take([_PROVEN])
            self._polling.noop()
        elif packet == packets.UPGRADE and self.is_proven:
            self._take_over()
        else:
            self._polling.probe = None
            self._websocket.close(PROTOCOL_ERROR)

    def _take_over(self) -> None:
        session, websocket = self._session, self._websocket
        # What is still in the session's outbox is later than what waits for a poll, and follows at the turn's end.
        waiting = self._polling.hand_over()
        self._polling.probe = None
        websocket.on_packet = session.receive
        websocket.on_text = session.receive_text
        websocket.on_lost = session.lost
        session.upgrade(websocket)
        if waiting:
            websocket.take(waiting)

    def _lost(self, _reason: str) -> None:
        self._polling.probe = None
