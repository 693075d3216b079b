"""The texts: both languages say everything, and every key that is used has a text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

FRONTEND = Path(__file__).parents[2] / "frontend"
LANGS = ("en", "pt-BR")

# A key that is put together: `t("page.nav." ~ name)` and t(`number.role.${role}`) need keys with this beginning.
_TEMPLATE_USE = re.compile(r"""\bt\(\s*"([^"]+)"\s*([~,)])""")
_SCRIPT_USE = re.compile(r"""\bt\(\s*(?:"([^"]+)"|`([^`$]+)(\$?))""")
_EITHER_USE = re.compile(r"""\bt\(\w+ \? "([^"]+)" : "([^"]+)"\)""")


def texts(lang: str) -> dict[str, str]:
    content: dict[str, str] = json.loads((FRONTEND / "i18n" / f"{lang}.json").read_text(encoding="utf-8"))
    return content


def used() -> tuple[set[str], set[str]]:
    """The keys that templates and scripts name, and the beginnings of those that they put together."""
    keys: set[str] = set()
    beginnings: set[str] = set()
    for file in (FRONTEND / "templates").glob("*.html"):
        for key, end in _TEMPLATE_USE.findall(file.read_text(encoding="utf-8")):
            (beginnings if end == "~" else keys).add(key)
    for file in (FRONTEND / "static" / "js").rglob("*.js"):
        source = file.read_text(encoding="utf-8")
        for plain, beginning, is_open in _SCRIPT_USE.findall(source):
            (beginnings if is_open else keys).add(plain or beginning)
        for pair in _EITHER_USE.findall(source):
            keys.update(pair)
    return keys, beginnings


def test_both_languages_have_the_same_keys() -> None:
    assert texts("en").keys() == texts("pt-BR").keys()


def test_both_languages_have_the_same_places_for_values() -> None:
    english, portuguese = texts("en"), texts("pt-BR")
    for key in english:
        assert re.findall(r"\{\w+\}", english[key]) == re.findall(r"\{\w+\}", portuguese[key]), key


@pytest.mark.parametrize("lang", LANGS)
def test_no_text_is_empty_or_markup(lang: str) -> None:
    for key, text in texts(lang).items():
        assert text.strip(), key
        assert not re.search(r"[<>]|&\w+;", text), key


def test_every_key_that_is_used_has_a_text() -> None:
    keys, beginnings = used()
    known = texts("en").keys()
    assert len(keys) > 40
    assert keys - known == set()
    for beginning in beginnings:
        assert any(key.startswith(beginning) for key in known), beginning


def test_every_text_is_used() -> None:
    keys, beginnings = used()
    # Read by code of the server's errors and by name of the field: account-form.js puts these together.
    beginnings |= {"error.", "form."}
    unused = {key for key in texts("en") if key not in keys and not key.startswith(tuple(beginnings))}
    assert unused == set()
