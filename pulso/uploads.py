"""What passes between a gateway, which stores uploaded files, and the service that they are for.

A file is stored in the folder of uploads as `<prefix>-<random>`, with an extension where its type is one of those
that browsers show, and served at `/static/<name>`. While it is being written its name begins with a dot. The
service chooses the prefix, and removes the files that begin with it: nobody else's.
"""

from __future__ import annotations

from typing import Final

import msgspec

STATIC: Final = "/static/"


class AskAllowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway asks before it stores anything; `size` is of the whole request in bytes, 0 where unknown."""

    size: int


class Allowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller may upload now: so many files, so large each, so large together. Sizes are in bytes.

    `prefix` is what the names of the stored files begin with: letters a-z, digits and -.
    """

    prefix: str
    files: int
    file_bytes: int
    total_bytes: int


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file on the disk: `name` in the folder, what the client calls it, sniffed type, size in bytes."""

    name: str
    filename: str
    type: str
    size: int


class StoredFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files of one request, in its order."""

    files: list[StoredFile]
