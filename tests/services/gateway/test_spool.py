"""The spool on a real disk: order, locks, what a killed process leaves, and its bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import spool as spools
from services.gateway.spool import Batch, Spool, SpoolTaken

PLENTY = 1 << 30


def batches(first: int, last: int, size_bytes: int = 100) -> list[Batch]:
    return [Batch(number, 1, bytes([number % 256]) * size_bytes) for number in range(first, last + 1)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "gw-1"


def test_what_is_written_is_read_in_order_and_in_parts(folder: Path) -> None:
    spool = Spool(folder, most_bytes=PLENTY)
    spool.append(batches(1, 3))
    spool.append(batches(4, 9))
    assert spool.read(0, PLENTY) == batches(1, 9)
    assert spool.read(2, 250) == batches(3, 5)
    assert spool.read(9, PLENTY) == []


def test_the_next_process_reads_what_one_that_is_gone_has_left(folder: Path) -> None:
    gone = Spool(folder, most_bytes=PLENTY)
    gone.append(batches(1, 5))
    with pytest.raises(SpoolTaken):
        Spool(folder, most_bytes=PLENTY)
    gone.close(2)
    assert Spool(folder, most_bytes=PLENTY).read(2, PLENTY) == batches(3, 5)


def test_nothing_is_left_of_a_spool_that_is_committed(folder: Path) -> None:
    spool = Spool(folder, most_bytes=PLENTY)
    spool.append(batches(1, 5))
    spool.close(5)
    assert not folder.exists()


@given(st.data())
def test_a_write_that_was_cut_off_anywhere_costs_only_what_it_cut(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool") / "gw-1"
    spool = Spool(folder, most_bytes=PLENTY)
    spool.append(batches(1, 4))
    spool.close(0)
    (file,) = folder.glob("*.batches")
    cut = data.draw(st.integers(0, file.stat().st_size))
    with file.open("r+b") as opened:
        opened.truncate(cut)
    again = Spool(folder, most_bytes=PLENTY)
    each = (file.stat().st_size or 1) and 120
    assert again.read(0, PLENTY) == batches(1, cut // each)
    again.append(batches(5, 6))
    assert again.read(0, PLENTY) == batches(1, cut // each) + batches(5, 6)
    again.close(6)


def test_a_batch_that_the_disk_spoiled_is_left_out(folder: Path) -> None:
    spool = Spool(folder, most_bytes=PLENTY)
    spool.append(batches(1, 3))
    (file,) = folder.glob("*.batches")
    with file.open("r+b") as opened:
        opened.seek(150)
        opened.write(b"\xff")
    assert [batch.number for batch in spool.read(0, PLENTY)] == [1, 3]


def test_files_are_removed_once_all_in_them_is_committed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 500)
    monkeypatch.setattr(spools, "ROLL_BYTES", 500)
    spool = Spool(folder, most_bytes=PLENTY)
    for number in range(1, 21):
        spool.append(batches(number, number))
    assert len(list(folder.glob("*.batches"))) == 4
    spool.forget(12)
    assert len(list(folder.glob("*.batches"))) == 2
    assert spool.read(12, PLENTY) == batches(13, 20)
    spool.forget(20)
    assert list(folder.glob("*.batches")) == []
    spool.append(batches(21, 21))
    assert spool.read(0, PLENTY) == batches(21, 21)


def test_a_full_spool_drops_the_oldest_and_says_how_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 500)
    spool = Spool(folder, most_bytes=1500)
    dropped = sum(spool.append(batches(number, number)) for number in range(1, 21))
    left = spool.read(0, PLENTY)
    assert dropped == 20 - len(left) > 0
    assert left == batches(dropped + 1, 20)
    assert spool.size_bytes <= 2000
