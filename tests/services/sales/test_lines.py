"""Whole lines out of bytes: however they are split, the same lines come out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.sales.lines import Line, Lines

BYTES = st.binary(max_size=200).map(lambda data: data.replace(b"\x00", b"\n"))  # many short lines


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def fed(pieces: list[bytes], **how: int) -> tuple[list[Line], Lines]:
    lines = Lines(**how)
    return [line for piece in pieces for line in lines.feed(piece)], lines


@given(BYTES, st.lists(st.integers(0, 400)))
def test_any_split_of_the_bytes_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    whole, _ = fed([data])
    parts, lines = fed(split(data, cuts))
    assert parts == whole
    assert lines.read == len(data)
    assert lines.offset + len(data.rpartition(b"\n")[2]) == len(data)


@given(BYTES, st.lists(st.integers(0, 400)))
def test_lines_are_those_of_the_file_with_their_places(data: bytes, cuts: list[int]) -> None:
    lines, _ = fed(split(data, cuts))
    expected = data.split(b"\n")[:-1]
    assert [line.text for line in lines] == [text.removeprefix(b"\xef\xbb\xbf") if n == 0 else text
                                             for n, text in enumerate(expected)]  # fmt: skip
    assert [line.number for line in lines] == list(range(1, len(expected) + 1))
    for line, text in zip(lines, expected, strict=True):
        assert data[: line.end].endswith(text + b"\n")


@given(BYTES, st.lists(st.integers(0, 400)), st.integers(0, 400))
def test_reading_goes_on_from_any_line_as_if_it_had_never_stopped(data: bytes, cuts: list[int], at: int) -> None:
    lines, _ = fed([data])
    if not lines:
        return
    stop = lines[at % len(lines)]
    rest, _ = fed(split(data[stop.end :], cuts), offset=stop.end, number=stop.number)
    assert rest == lines[stop.number :]


@given(BYTES, st.lists(st.integers(0, 400)), st.integers(1, 20))
def test_a_line_that_is_too_long_comes_without_its_text_and_harms_no_other(
    data: bytes, cuts: list[int], most: int
) -> None:
    lines, _ = fed(split(data, cuts), max_bytes=most)
    whole, _ = fed([data])
    assert [line[:2] for line in lines] == [line[:2] for line in whole]
    for cut, line in zip(lines, data.split(b"\n"), strict=False):
        assert (cut.text is None) == (len(line) > most)


def test_an_endless_line_is_not_kept_in_memory() -> None:
    lines = Lines(max_bytes=1000)
    for _ in range(1000):
        assert lines.feed(b"x" * 1000) == []
    assert sum(map(len, lines._waiting)) <= 1000
    (line,) = lines.feed(b"\n")
    assert line == Line(1, 1_000_001, None)


def test_the_rest_is_a_line_where_nothing_more_comes() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntwo") == [Line(1, 4, b"one")]
    assert lines.rest() == Line(2, 7, b"two")
    assert (lines.rest(), lines.offset, lines.read) == (None, 7, 7)
