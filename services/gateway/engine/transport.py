"""What a session needs of whatever carries it: long-polling or a WebSocket."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    name: str

    def take(self, frames: list[bytes]) -> bool:
        """Send these frames, or keep them to be sent; False where too many bytes wait already."""

    def take_one(self, frame: bytes) -> bool:
        """As `take`."""

    def unread_bytes(self) -> int:
        """How much waits here for the client to read it."""

    def hold(self) -> None:
        """The session is busy: read no more than can be helped."""

    def go_on(self) -> None:
        """The session is not busy any more."""

    def close(self, code: int) -> None:
        """The session is over; `code` is WebSocket's."""

    def closed_by_client(self) -> None:
        """The session is over because the client says so."""

    def abort(self) -> None:
        """As `close`, without waiting for a client that does not read."""
