"""Run a program that ends with the process that started it, even where that one is killed with -9.

    python -I -S die_with_parent.py PARENT_PID SIGNAL PROGRAM [ARGUMENT...]

The kernel sends SIGNAL when the parent is gone (Linux; elsewhere the program is only stopped in an orderly way).
It is asked here, in a process of its own which the program then replaces, and not in a `preexec_fn`: between
fork and exec of a process with threads, Python code may wait for ever for a lock that no thread will release.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def main() -> None:
    parent, number, *program = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != int(parent):
            sys.exit("the parent ended before the program began")
    os.execv(program[0], program)  # noqa: S606  # replacing itself by a program is what this is for


if __name__ == "__main__":
    main()
