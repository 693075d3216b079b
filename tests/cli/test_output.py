"""Standard output that is read slowly, or by nobody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from cli.client.output import MAX_WAITING, Output
from tests.waiting import PATIENCE_S

LINE = "x" * 999 + "\n"


class Pipe:
    def __init__(self) -> None:
        self.read_end, write_end = os.pipe()
        self.file: TextIO = os.fdopen(write_end, "w", encoding="utf-8")

    def read_to_the_end(self) -> str:
        self.file.close()
        with os.fdopen(self.read_end, encoding="utf-8") as file:
            return file.read()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    return Pipe()


async def test_lines_come_out_as_they_went_in(pipe: Pipe) -> None:
    output = Output(pipe.file, on_closed=pytest.fail)
    for number in range(10):
        output.write(f"{number} ação\n")
    await output.drain()
    output.close()
    assert pipe.read_to_the_end() == "".join(f"{number} ação\n" for number in range(10))


async def test_a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed(pipe: Pipe) -> None:
    output = Output(pipe.file, on_closed=pytest.fail)
    for _ in range(MAX_WAITING + 500):  # far more than a pipe holds
        output.write(LINE)
    draining = asyncio.create_task(output.drain())
    reading = asyncio.create_task(asyncio.to_thread(_read_lines, pipe.read_end, MAX_WAITING))
    await draining
    await reading
    output.write("at last\n")
    await output.drain()
    output.close()
    rest = pipe.read_to_the_end()
    assert rest.endswith("lines were left out: nobody read them)\nat last\n")


async def test_who_stops_reading_is_noticed(pipe: Pipe) -> None:
    closed = asyncio.Event()
    output = Output(pipe.file, on_closed=closed.set)
    os.close(pipe.read_end)
    output.write(LINE)
    async with asyncio.timeout(PATIENCE_S):
        await closed.wait()
    output.close()
    pipe.file.close()


def _read_lines(descriptor: int, count: int) -> None:
    left = count * len(LINE)
    while left > 0:
        left -= len(os.read(descriptor, min(left, 65536)))
