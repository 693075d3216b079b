"""Which usernames and display names are allowed, and which usernames count as the same.

A username has a key: two names with one key cannot both exist. The key ignores case and width (Unicode NFKC and
case folding) and takes Cyrillic and Greek letters for the Latin ones that they look like, so that nobody can pass
for somebody else. What is left of the danger, letters of several alphabets in one name, is refused, as the Highly
Restrictive level of UTS 39 does. Pure functions; each raises ValueError with a sentence for the person.
"""

from __future__ import annotations

import unicodedata
from typing import Final

USERNAME_LENGTHS: Final = range(3, 33)
NAME_LENGTHS: Final = range(1, 61)

_PUNCTUATION: Final = frozenset("._-")
_DIGITS: Final = frozenset("0123456789")
_LETTERS: Final = frozenset({"Lu", "Ll", "Lo", "Lm", "Mn", "Mc"})  # marks: the vowels of Devanagari, Thai...

# Written with letters of several scripts as a matter of course; the words are those of Unicode character names.
_EAST_ASIAN: Final = frozenset(
    {"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"}
)
# Marks and modifiers that go with any alphabet: what NFKC leaves of them only makes a letter look like another.
_ANY_SCRIPT: Final = frozenset({"COMBINING", "MODIFIER", "VARIATION"})
# Letters and marks by category that show nothing.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")

# Letters, in lower case, and the Latin ones that they or their capitals look like: Cyrillic, Greek, rare Latin.
# The dot above is what case folding leaves of the Turkish capital I.
_LOOK_ALIKES: Final = str.maketrans(
    "авсеһніјкӏмоԛрѕтухԝԁ" + "αβεζηικμνορτυχ" + "ıɑɡǀ",  # noqa: RUF001  # look-alikes are what this is for
    "abcehhijklmoqpstyxwd" + "abezhikmvoptux" + "iagl",
    "\u0307",
)


def username(text: str) -> str:
    """The username as it is stored and shown: 3 to 32 letters, digits and `. _ -`, letters of one alphabet."""
    name = unicodedata.normalize("NFKC", text.strip())
    if len(name) not in USERNAME_LENGTHS:
        raise ValueError("The username must have 3 to 32 characters.")
    letters = [char for char in name if char not in _PUNCTUATION and char not in _DIGITS]
    scripts = {_script(char) for char in letters}
    if not all(map(_is_letter, letters)) or scripts & _ANY_SCRIPT:
        raise ValueError("The username may have letters, digits, dots, hyphens and underscores only.")
    if _PUNCTUATION.issuperset(name):
        raise ValueError("The username must have a letter or a digit.")
    if len(scripts) > 1 and not scripts <= _EAST_ASIAN:
        raise ValueError("The username must have the letters of one alphabet only.")
    return name


def username_key(text: str) -> str:
    """The same for all spellings that count as one name; defined for any text."""
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_LOOK_ALIKES)


def display_name(text: str) -> str:
    """A person's name as it is stored and shown: 1 to 60 printable characters, single spaces between words."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) not in NAME_LENGTHS:
        raise ValueError("The name must have 1 to 60 characters.")
    if not name.isprintable() or _INVISIBLE.intersection(name):
        raise ValueError("The name may have characters that can be seen only.")
    if all(unicodedata.category(char).startswith(("M", "Z")) for char in name):
        raise ValueError("The name must have a letter.")
    return name


def _is_letter(char: str) -> bool:
    return unicodedata.category(char) in _LETTERS and char not in _INVISIBLE


def _script(char: str) -> str:
    """The first word of a letter's Unicode name is its script: `LATIN SMALL LETTER A`."""
    return unicodedata.name(char, "UNKNOWN").partition(" ")[0]
