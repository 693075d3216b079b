"""Who is connected to which namespace: python-socketio's client manager, without its rooms.

The stock one looks through all rooms for each client that leaves, so that a mass disconnect costs the square of
the clients, and keeps a room per client. Here each step is a dictionary's. Groups are the hub's affair (topics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import socketio
from socketio import packet as stock

from services.gateway.engine.events import Packet


class Members(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    def __init__(self) -> None:
        super().__init__()
        self._sids: dict[str, str] = {}
        """By Engine.IO session id and namespace, joined as in `abc/custom`; no id has a slash."""
        self._engine_ids: dict[str, str] = {}
        self._pending: set[str] = set()
        """Those who are being let in, and those who are being let go."""

    def add(self, eio_sid: str, namespace: str) -> str:
        """The id of a new member, which is not connected before `confirm`."""
        sid: str = self.server.eio.generate_id()
        self._sids[eio_sid + namespace] = sid
        self._engine_ids[sid] = eio_sid
        self._pending.add(sid)
        return sid

    def confirm(self, sid: str) -> None:
        self._pending.discard(sid)

    def drop(self, sid: str, namespace: str) -> None:
        eio_sid = self._engine_ids.pop(sid, None)
        self._pending.discard(sid)
        self.callbacks.pop(sid, None)
        if eio_sid is not None:
            self._sids.pop(eio_sid + namespace, None)

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        return sid in self._engine_ids and sid not in self._pending

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._sids.get(eio_sid + namespace)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._engine_ids.get(sid)

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._pending.add(sid)
        return self._engine_ids.get(sid)

    async def disconnect(self, sid: str, namespace: str, **_options: Any) -> None:
        self.drop(sid, namespace)

    def get_participants(self, namespace: str, room: str | None) -> Iterator[tuple[str, str]]:
        """One client by its id; groups of clients are no affair of this class."""
        if room is not None and room in self._engine_ids:
            yield room, self._engine_ids[room]

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: str | None = None,
        skip_sid: str | list[str] | None = None,
        callback: Callable[..., Any] | None = None,
        to: str | None = None,
        **_options: Any,
    ) -> None:
        """To one client: queued when this returns, without the task per recipient of the stock manager."""
        arguments: Iterable[Any] = data if isinstance(data, tuple) else () if data is None else (data,)
        for sid, eio_sid in self.get_participants(namespace, to or room):
            ack = self._generate_ack_id(sid, callback) if callback is not None else None
            packet = Packet(stock.EVENT, [event, *arguments], namespace, ack)
            self.server.send_packet(eio_sid, packet)
