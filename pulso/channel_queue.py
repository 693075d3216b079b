"""What is to go to one channel until it goes: in order, but for clients' calls, which go by endpoint."""

from __future__ import annotations

from typing import Final

from pulso.message import Calls, Envelope

MAX_TOGETHER: Final = 256
"""Calls, or replies, in one envelope: a handler's batch is made of whole ones."""


class ChannelQueue:
    """`envelopes`, in their order. Calls to one endpoint share an envelope, though others may come between.

    What a client asks for after something else does not overtake that: its own calls stay in their order, whatever
    endpoints they are to. (Kept in the order of all clients together, the calls of number clients, one in nine of
    which is a draw, went in envelopes of eight and of one.)
    """

    __slots__ = ("_open", "_places", "envelopes")

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self._open: dict[str, tuple[int, Calls]] = {}
        """By endpoint: the envelope that takes further calls to it, and its place among all."""
        self._places: dict[str, int] = {}
        """By client: the envelope with the last of its calls, but for the first envelope."""

    def put(self, envelope: Envelope) -> None:
        """After all that was put in before, and before all that is put in later."""
        self.envelopes.append(envelope)
        self._open.clear()

    def take(self, endpoint: str, id_: int, caller: bytes, payload: bytes, client: str) -> bool:
        """Put a client's call in with others to its endpoint; False where there is no envelope for it."""
        found = self._open.get(endpoint)
        if found is None:
            return False
        place, calls = found
        if self._places.get(client, 0) > place or len(calls.ids) >= MAX_TOGETHER:
            return False
        calls.ids.append(id_)
        calls.callers.append(caller)
        calls.payloads.append(payload)
        if place:
            self._places[client] = place
        return True

    def begin(self, calls: Calls, client: str) -> None:
        """Put in an envelope with one call, which others may join."""
        place = self._places[client] = len(self.envelopes)
        self._open[calls.endpoint] = (place, calls)
        self.envelopes.append(calls)
