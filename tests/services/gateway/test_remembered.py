"""What a gateway remembers of services, from one run to the next."""

from __future__ import annotations

from pathlib import Path

from pulso.manifest import Manifest
from services.gateway.remembered import FILE, Remembered

ECHO, SUM = [Manifest(service=name, shards=1, endpoints=(), topics=(), events=()) for name in ("echo", "sum")]


async def test_what_was_kept_is_recalled_by_the_next_run(tmp_path: Path) -> None:
    await Remembered(tmp_path).keep([SUM, ECHO])
    assert Remembered(tmp_path).recall() == [ECHO, SUM]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


async def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    await Remembered(tmp_path).keep([ECHO])
    remembered = Remembered(tmp_path)
    remembered.recall()
    (tmp_path / FILE).unlink()
    await remembered.keep([ECHO])
    assert not (tmp_path / FILE).exists()
    await remembered.keep([ECHO, SUM])
    assert Remembered(tmp_path).recall() == [ECHO, SUM]


async def test_a_file_that_cannot_be_read_or_written_is_no_fault(tmp_path: Path) -> None:
    assert Remembered(tmp_path).recall() == []
    for nonsense in (b"", b"\xff", b"{}", b'[{"service": 3}]'):
        (tmp_path / FILE).write_bytes(nonsense)
        assert Remembered(tmp_path).recall() == []
    elsewhere = Remembered(tmp_path / "nowhere")
    await elsewhere.keep([ECHO])
    assert elsewhere.recall() == []
