"""Which services there were when a gateway last ran here: a file beside its spool.

A Redis that has come back empty knows no service that is not running. A gateway that starts then would answer
`not_found` for one that is only away, and clients would give up what they should try again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec
import structlog

from pulso.manifest import Manifest

FILE: Final = "services.json"

log = structlog.get_logger(__name__)


class Remembered:
    """In the gateway's data folder, which several may share."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._kept = b""

    def recall(self) -> list[Manifest]:
        """Nothing where there is no file, or none that can be read: it only spares an answer that is less apt."""
        try:
            self._kept = self._path.read_bytes()
            return msgspec.json.decode(self._kept, type=list[Manifest])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as fault:
            log.warning("services of before not read", fault=str(fault))
            return []

    async def keep(self, manifests: Collection[Manifest]) -> None:
        """Written where it is something else than before."""
        data = msgspec.json.encode(sorted(manifests, key=lambda manifest: manifest.service))
        if data == self._kept:
            return
        try:
            await asyncio.to_thread(self._write, data)
            self._kept = data
        except OSError as fault:
            log.warning("services not remembered", fault=str(fault))

    def _write(self, data: bytes) -> None:
        draft = self._path.with_name(f"{FILE}.{secrets.token_hex(4)}")
        draft.write_bytes(data)
        draft.rename(self._path)
