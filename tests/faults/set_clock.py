"""A time of day that can be set while everything runs: libfaketime, for processes that are started with it.

What measures intervals is left alone, as it is where an operator, or NTP, sets a real clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PLACES = (
    "usr/lib/*/faketime/libfaketime.so.1",
    "usr/lib/faketime/libfaketime.so.1",
    "usr/lib64/*/libfaketime.so.1",
)
LOOKED_AT_EVERY_S = 1
"""By each process: to look whenever it wants to know the time would cost half of the machine."""


class SetClock:
    """`environ` is what processes have to be started with."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.offset_s = 0
        self.set(0)

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(LOOKED_AT_EVERY_S),
            "FAKETIME_DONT_RESET": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset_s: int) -> None:
        """So many seconds ahead of the machine's clock, or behind it, for each of them within a second."""
        self.offset_s = offset_s
        made = self._file.with_suffix(".new")
        made.write_text(f"{offset_s:+d}\n", encoding="ascii")
        made.rename(self._file)


def library() -> str:
    root = Path("/")
    found = [path for place in PLACES for path in root.glob(place)]
    assert found, "libfaketime is missing: `make faults` installs it, as does `apt-get install faketime`"
    return str(found[0])
