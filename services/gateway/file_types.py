"""What an uploaded file is, by its first bytes: whatever its name says, only these types are ever shown.

All else is an attachment without a type: HTML and SVG run scripts, and who knows what the rest does. The stored
name's extension carries the type, so that nginx, which serves the same files in front of several gateways, comes
to the same answer: its table in nginx.conf is this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import filetype

HEAD_BYTES: Final = 8192
"""How much of the beginning the library looks at."""

UNKNOWN: Final = "application/octet-stream"

SHOWN: Final[Mapping[str, str]] = {
    "avif": "image/avif",
    "flac": "audio/flac",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}
"""By extension: the types that a browser shows without running anything."""

_ANIMATED: Final = {"apng": "png"}


def extension_of(head: bytes) -> str:
    """The extension of what these first bytes begin; empty for what is not to be shown."""
    guess = filetype.guess(head)
    extension = "" if guess is None else _ANIMATED.get(guess.extension, guess.extension)
    return extension if extension in SHOWN else ""


def type_of(name: str) -> str:
    """The type that a stored file is served with."""
    return SHOWN.get(name.rpartition(".")[2], UNKNOWN) if "." in name else UNKNOWN
