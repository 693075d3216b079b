"""Sales as the tests write and compare them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

_numbers = itertools.count(1)


def sale(**fields: Any) -> dict[str, Any]:
    """A valid record as it stands in a source, with an id that no other has."""
    return {
        "id": f"sale-{next(_numbers)}",
        "sold_at": "2026-01-31T12:00:00.000Z",
        "store": "Recife, Boa Viagem",
        "seller": "Ana Conceição",
        "product": "Pão de queijo 1 kg",
        "category": "Padaria",
        "quantity": 2,
        "unit_price_cents": 2650,
        "total_cents": 5300,
        "payment": "pix",
        **fields,
    }


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def append(path: Path, *pieces: bytes | dict[str, Any]) -> None:
    """Write to the end of the source: bytes as they are, records as lines."""
    with path.open("ab") as source:
        for piece in pieces:
            source.write(piece if isinstance(piece, bytes) else line(piece))
