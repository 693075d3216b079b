"""Which names are allowed, and which are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth import names


@pytest.mark.parametrize(
    "name",
    [
        "ana",
        "Ana",
        "ana.b_c-d",
        "josé",
        "Ünsal",
        "анна",
        "Ελένη",
        "王小明",
        "さくらラーメン",
        "김Rui",
        "user1",
        "123",
        "नेहा",
    ],
)
def test_usernames_of_all_alphabets_are_welcome(name: str) -> None:
    assert names.username(name) == name


def test_a_username_is_trimmed_and_shown_as_it_was_written() -> None:
    assert names.username("  Ana.B ") == "Ana.B"
    assert names.username("\uff21\uff4e\uff41") == "Ana"  # full-width letters
    assert names.username("jose\u0301") == "josé"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "ab",
        "a" * 33,
        "ana b",
        "ana@b",
        "ana!",
        "ana\n b",
        "ana\0b",
        "...",
        "a\u200bna",  # zero-width space
        "a\u202ena",  # right-to-left override
        "a\u0332na",  # a mark that composes with nothing
        "a\u3164na",  # an invisible letter
        "a\u02bbna",  # a letter that looks like an apostrophe
        "an\u0430",  # Cyrillic a
        "\u0391na",  # Greek Alpha
        "ana\u0663",  # a digit of another alphabet
        "\ud800\ud800\ud800",
        "😀😀😀",
    ],
)
def test_a_username_that_could_deceive_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^The username .*\.$"):
        names.username(name)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("ana", "ANA"),
        ("ana", " Ana "),
        ("ana", "\uff21\uff2e\uff21"),
        ("straße", "STRASSE"),
        ("josé", "JOSE\u0301"),
        ("coco", "сосо"),  # noqa: RUF001  # Cyrillic
        ("MAX", "МАХ"),  # noqa: RUF001  # Cyrillic
        ("ian", "\u0130an"),
        ("ian", "\u0131an"),
        ("fig", "ﬁg"),
    ],
)
def test_look_alikes_are_one_name(name: str, same: str) -> None:
    assert names.username_key(name) == names.username_key(same)


@pytest.mark.parametrize(
    ("name", "other"), [("ana", "anna"), ("jose", "josé"), ("user1", "user10"), ("maria", "marla")]
)
def test_names_that_can_be_told_apart_are_two(name: str, other: str) -> None:
    assert names.username_key(name) != names.username_key(other)


@given(st.text(max_size=40))
def test_any_text_is_allowed_or_refused_and_what_is_allowed_stays_so(text: str) -> None:
    try:
        name = names.username(text)
    except ValueError:
        return
    assert names.username(name) == name
    key = names.username_key(name)
    assert key == names.username_key(text) == names.username_key(name.upper()) == names.username_key(key)


def test_a_display_name_keeps_what_can_be_seen() -> None:
    assert names.display_name("  Ana   Luísa ") == "Ana Luísa"
    assert names.display_name("Ana 🎈") == "Ana 🎈"


@pytest.mark.parametrize("name", ["", " \t", "x" * 61, "a\0b", "a\u202eb", "\u3164", "\u0301", "\u2800"])
def test_a_display_name_that_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^The name .*\.$"):
        names.display_name(name)
