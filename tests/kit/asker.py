"""Whoever waits for answers on the bus, in tests."""

from __future__ import annotations

from collections.abc import Sequence

from pulso.awaited import Asker


class Alike:
    """Makes no difference between an answer that comes alone and one that comes with others."""

    __slots__ = ()

    @staticmethod
    def all_answered(askers: Sequence[Asker], payloads: Sequence[bytes]) -> None:
        for asker, payload in zip(askers, payloads, strict=True):
            asker.answered(payload, None)
