"""How the journal parts what was recorded into batches."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pulso.contract import Caller
from pulso.redis_link import RedisLink
from services.gateway.journal import MAX_ENTRY_BYTES, MAX_KEPT_BYTES, RECORD_BYTES, Journal

RUI = Caller("u-1", "Rui", "guest")
FULL = -(-MAX_ENTRY_BYTES // (RECORD_BYTES + MAX_KEPT_BYTES))
"""Records of the largest size in one batch: the last of them goes past its bound."""


@pytest.mark.parametrize(
    ("records", "batches"),
    [(0, []), (1, [1]), (FULL, [FULL]), (FULL + 1, [FULL, 1]), (2 * FULL, [FULL, FULL])],
)
def test_a_batch_ends_with_the_record_that_goes_past_its_bound(
    tmp_path: Path, records: int, batches: list[int]
) -> None:
    link = cast(RedisLink, None)  # nothing is sent
    journal = Journal(
        link, prefix="t", gateway="gw-1", spools=tmp_path, spool_bytes=1 << 30, now=lambda: 1_767_312_000.0
    )
    for _ in range(records):
        journal.came_in(RUI, "a:large", b"x" * MAX_KEPT_BYTES, "ok", private=False)
    assert [batch.records for batch in journal._taken()] == batches
    assert journal._taken() == []
