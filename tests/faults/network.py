"""A network of its own for a process, whose packets to and from Redis can be lost: namespaces and iptables.

Needs root, `ip` and `iptables`, which `.ci/fault-tools` sees to. All that the machine sees of it otherwise is one
more pair of interfaces, gone at the end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.faults.deployment import Place
from tests.faults.line import Direction

EVERYTHING: Final = 1.0


@dataclass(frozen=True, slots=True)
class Apart:
    """A namespace: `place` is where programs run in it, `outside` our address as it is seen from there."""

    name: str
    place: Place
    outside: str
    redis_port: int

    def drop(self, *directions: Direction, share: float = EVERYTHING) -> None:
        """Such a share of the packets is lost, without a word to anybody."""
        port = str(self.redis_port)
        rules = {
            "to Redis": ("OUTPUT", "-p", "tcp", "--dport", port),
            "from Redis": ("INPUT", "-p", "tcp", "--sport", port),
        }
        by_chance = (
            () if share == EVERYTHING else ("-m", "statistic", "--mode", "random", "--probability", str(share))
        )
        for direction in directions:
            self._inside("iptables", "-w", "-A", *rules[direction], *by_chance, "-j", "DROP")

    def mend(self) -> None:
        self._inside("iptables", "-w", "-F")

    def _inside(self, *command: str) -> None:
        _run(*self.place.inside, *command)


@contextlib.contextmanager
def apart(redis_port: int) -> Iterator[Apart]:
    """Made now, and gone afterwards, whatever still runs in it."""
    number = os.getpid()
    name, ours, theirs = f"pulso-{number}", f"pulso{number}a", f"pulso{number}b"
    net = f"10.{192 + (number >> 12) % 32}.{(number >> 6) % 64 + 96}"
    host = (number % 64) * 4
    place = Place(f"{net}.{host + 2}", ("ip", "netns", "exec", name))
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        _run("ip", "addr", "add", f"{net}.{host + 1}/30", "dev", ours)
        _run("ip", "link", "set", ours, "up")
        for command in (
            ("addr", "add", f"{place.address}/30", "dev", theirs),
            ("link", "set", theirs, "up"),
            ("link", "set", "lo", "up"),
        ):
            _run("ip", "-n", name, *command)
        yield Apart(name, place, f"{net}.{host + 1}", redis_port)
    finally:
        subprocess.run(["ip", "link", "del", ours], check=False)
        _run("ip", "netns", "del", name)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
