"""Generated sales: believable, with ids that are never used again, written whole and on time."""

from __future__ import annotations

import os
import random
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from services.sales.generator import Generator
from services.sales.lines import Line
from services.sales.rules import record_of
from services.sales.uuid7 import Uuid7
from services.sales.writing import MADE_UP_FOR_S, append, write_steadily
from tests import programs

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def generator(seed: int | None = None) -> Generator:
    return Generator(random.Random(seed), lambda: NOW)


def test_ids_are_uuids_of_version_7_with_their_time() -> None:
    made = uuid.UUID(Uuid7(lambda: 0x0123_4567_89AB).make())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == 0x0123_4567_89AB


def test_ids_sort_as_they_were_made_though_the_clock_stands_still_or_goes_back() -> None:
    clock = iter([5] * 20_000 + [3] * 20_000 + [9] * 10)
    ids = Uuid7(lambda: next(clock))
    made = [ids.make() for _ in range(40_010)]
    assert made == sorted(set(made))


def test_a_seed_repeats_what_is_sold_and_no_id() -> None:
    first, second = ([made.sale() for _ in range(200)] for made in (generator(7), generator(7)))
    assert {sale.id for sale in first}.isdisjoint(sale.id for sale in second)
    for one, other in zip(first, second, strict=True):
        assert msgspec.structs.replace(one, id="") == msgspec.structs.replace(other, id="")
    assert first != [generator(8).sale() for _ in range(200)]


def test_generated_sales_are_records_that_add_up() -> None:
    made = generator()
    for _ in range(500):
        line = made.line()
        assert line.endswith(b"\n")
        sale = record_of(Line(1, 0, line[:-1])).sale
        assert sale.total_cents == sale.quantity * sale.unit_price_cents
        assert sale.payment in {"pix", "credit", "debit", "cash"}
    assert "ã".encode() in b"".join(made.line() for _ in range(100)), "UTF-8, not escapes"


def test_a_half_line_that_somebody_left_spoils_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "sales.jsonl"
    append(path, [b"one\n"])
    with path.open("ab") as out:
        out.write(b'{"id": "hal')
    append(path, [b"two\n", b"three\n"])
    assert path.read_bytes() == b'one\n{"id": "hal\ntwo\nthree\n'


class Clock:
    """Time that passes only while somebody sleeps, or is held up."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


async def test_n_sales_take_n_intervals_whatever_each_of_them_takes(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "sales.jsonl"

    class Slow(Generator):
        def line(self) -> bytes:
            clock.now += 0.3  # a third of the interval goes into the work itself
            return super().line()

    made = Slow(random.Random(), lambda: NOW)
    await write_steadily(path, made, every_s=1.0, count=1000, sleep=clock.sleep, clock=clock)
    assert len(path.read_bytes().splitlines()) == 1000
    assert clock.now == pytest.approx(100 + 999 + 0.3)


async def test_what_was_missed_is_made_up_for_within_bounds(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "sales.jsonl"

    class Stalled(Generator):
        def line(self) -> bytes:
            if clock.now == 105.0:
                clock.now += 3600  # asleep for an hour
            return super().line()

    made = Stalled(random.Random(), lambda: NOW)
    count = 6 + int(MADE_UP_FOR_S)
    await write_steadily(path, made, every_s=1.0, count=count, sleep=clock.sleep, clock=clock)
    assert len(clock.slept) == 5, "after the hour as many as a minute has come at once"


async def test_a_burst_comes_at_once_and_the_count_is_kept(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "sales.jsonl"
    await write_steadily(path, generator(), every_s=1.0, burst=400, count=1000, sleep=clock.sleep, clock=clock)
    assert len(path.read_bytes().splitlines()) == 1000
    assert clock.slept == [1.0, 1.0]


async def test_a_renamed_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    await write_steadily(path, generator(), every_s=0.001, count=2)
    path.rename(tmp_path / "old")
    await write_steadily(path, generator(), every_s=0.001, count=3)
    assert [len((tmp_path / name).read_bytes().splitlines()) for name in ("old", "sales.jsonl")] == [2, 3]


async def test_several_generators_may_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    command = ("cli", "generate", "--out", str(path), "--every", "0.001", "--count", "300")
    processes = [
        await programs.start(*command, "--burst", "7", environ=os.environ, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    lines = path.read_bytes().splitlines()
    assert len({record_of(Line(1, 0, line)).sale.id for line in lines}) == len(lines) == 900
