"""The log never gets in the way of what it tells of."""

from __future__ import annotations

import errno
import io

from pulso import metrics
from pulso.log import Spared


class FullDisk(io.StringIO):
    """Takes nothing while it is full."""

    is_full = True

    def write(self, text: str, /) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)

    def flush(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_full_disk_does_not_take_is_counted_and_harms_nobody() -> None:
    disk = FullDisk()
    stream = Spared(disk)
    before = metrics.LOG_LINES_LOST._value.get()
    stream.write("lost")
    stream.flush()
    disk.is_full = False
    stream.write("kept")
    stream.flush()
    assert disk.getvalue() == "kept"
    assert metrics.LOG_LINES_LOST._value.get() == before + 1
