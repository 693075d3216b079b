"""Reading a file that grows, is cut, is renamed: every whole line comes out, and none is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sales import source as module
from services.sales.source import Position, Source
from tests.services.sales.made import append


class Reader:
    """A source, and a reader that is started anew from what it has stored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.stored: dict[str, Position] = {}
        self.source = Source(path, self.stored, clock=lambda: self.now)

    def read(self) -> list[str]:
        """All that is new; the position is stored with each part, as the service does."""
        texts = []
        while (read := self.source.read()) is not None:
            texts += [(line.text or b"?").decode() for line in read.lines]
            self.stored.pop(read.position.file, None)
            if not read.is_over:
                self.stored[read.position.file] = read.position
        return texts

    def restart(self) -> None:
        self.source.close()
        self.source = Source(self.path, self.stored, clock=lambda: self.now)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path / "sales.jsonl")
    yield reader
    reader.source.close()


def test_a_file_is_read_as_it_grows_in_whole_lines(reader: Reader) -> None:
    assert reader.read() == []
    append(reader.path, b"one\ntw")
    assert reader.read() == ["one"]
    assert reader.read() == []
    append(reader.path, b"o\nthree\n")
    assert reader.read() == ["two", "three"]


def test_reading_goes_on_where_it_was_left_also_within_a_line(reader: Reader) -> None:
    append(reader.path, b"one\ntw")
    assert reader.read() == ["one"]
    reader.restart()
    append(reader.path, b"o\n")
    assert reader.read() == ["two"]
    reader.restart()
    assert reader.read() == []


def test_a_file_that_was_cut_is_read_from_its_start(reader: Reader) -> None:
    append(reader.path, b"one\ntwo\n")
    reader.read()
    os.truncate(reader.path, 0)
    append(reader.path, b"new\n")
    assert reader.read() == ["new"]
    assert reader.source.position is not None
    assert reader.source.position.line == 1


def test_a_file_that_was_cut_and_is_as_long_as_before_is_read_from_its_start(reader: Reader) -> None:
    append(reader.path, b"one " + b"x" * 100 + b"\n")
    reader.read()
    os.truncate(reader.path, 0)
    append(reader.path, b"new " + b"x" * 100 + b"\n")
    assert [text[:3] for text in reader.read()] == ["new"]


def test_a_file_that_was_written_anew_and_is_longer_is_read_from_its_start(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.read()
    reader.path.write_bytes(b"completely\ndifferent\n")
    assert reader.read() == ["completely", "different"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_half_line_that_was_replaced_is_not_mixed_with_what_came_instead(reader: Reader, restarts: bool) -> None:
    append(reader.path, b"one\nhalf a li")
    assert reader.read() == ["one"]
    os.truncate(reader.path, 4)
    append(reader.path, b"another line\n")
    if restarts:
        reader.restart()
    assert "another line" in reader.read()


def test_a_file_written_anew_while_nobody_read_is_read_from_its_start(reader: Reader) -> None:
    append(reader.path, b"one\ntwo\n")
    reader.read()
    reader.path.write_bytes(b"six\nten\nmore\n")
    reader.restart()
    assert reader.read() == ["six", "ten", "more"]


def test_a_renamed_file_is_read_to_its_end_and_then_the_one_in_its_place(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.read()
    append(reader.path, b"two\n")
    old = reader.path.rename(reader.path.with_suffix(".jsonl.1"))
    append(old, b"three\n")
    append(reader.path, b"four\n")
    assert reader.read() == ["two", "three", "four"]


def test_a_writer_that_still_has_the_renamed_file_open_is_heard(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.read()
    old = reader.path.rename(reader.path.with_suffix(".jsonl.1"))
    append(reader.path, b"two\n")
    reader.read()
    append(old, b"late\n")
    assert reader.read() == ["late"]


def test_a_renamed_file_is_given_up_after_a_while_its_last_half_line_taken(reader: Reader) -> None:
    append(reader.path, b"one\nhalf")
    reader.read()
    reader.path.rename(reader.path.with_suffix(".jsonl.1"))
    append(reader.path, b"two\n")
    assert reader.read() == ["two"]
    assert len(reader.stored) == 2
    reader.now += module.LOOKED_AFTER_S + 1
    assert reader.read() == ["half"]
    assert len(reader.stored) == 1


def test_a_file_that_was_renamed_while_nobody_read_is_found_in_its_folder(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.read()
    append(reader.path, b"two\n")
    reader.path.rename(reader.path.with_name("archive.old"))
    append(reader.path, b"three\n")
    reader.restart()
    assert reader.read() == ["two", "three"]


def test_between_a_renaming_and_the_new_file_nothing_is_lost(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.read()
    old = reader.path.rename(reader.path.with_suffix(".1"))
    append(old, b"two\n")
    assert reader.read() == ["two"]
    append(reader.path, b"three\n")
    assert reader.read() == ["three"]


def test_what_is_no_file_is_told_and_read_once_it_is_one(reader: Reader) -> None:
    reader.path.mkdir()
    with pytest.raises(OSError, match=r"regular|directory"):
        reader.source.read()
    reader.path.rmdir()
    os.mkfifo(reader.path)
    with pytest.raises(OSError, match="regular"):
        reader.source.read()
    reader.path.unlink()
    append(reader.path, b"one\n")
    assert reader.read() == ["one"]


def test_nothing_is_read_after_the_end(reader: Reader) -> None:
    append(reader.path, b"one\n")
    reader.source.close()
    assert reader.source.read() is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 30)),
        st.tuples(st.sampled_from(["rename", "read", "restart"]), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS, st.integers(1, 9))
def test_through_any_writing_renaming_and_restarting_every_line_comes_out(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], at_once: int
) -> None:
    reader = Reader(tmp_path_factory.mktemp("source") / "sales.jsonl")
    written: list[str] = []
    came: list[str] = []
    waiting = b""
    for number, (what, size) in enumerate(steps):
        if what == "write":
            written.append(f"{number}-{'x' * size}")
            data = waiting + f"{written[-1]}\n".encode()
            waiting = data[len(data) // at_once :]
            append(reader.path, data[: len(data) // at_once])
        elif what == "rename" and reader.path.exists():
            append(reader.path, waiting)  # a writer ends its line before it lets go of the file
            waiting = b""
            came += reader.read()
            reader.path.rename(reader.path.with_name(f"sales.jsonl.{number}"))
        elif what == "read":
            came += reader.read()
        elif what == "restart":
            reader.restart()
    append(reader.path, waiting)
    came += reader.read()
    reader.source.close()
    assert came == written
