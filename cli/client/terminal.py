"""The terminal: lines scroll above, how the connection does and what is typed stay at the bottom."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import termios
import tty
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.client.output import Output
from cli.client.views import Fields, event_text, refusal_text, waiting_text, who_text

MAX_TYPED: Final = 200

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?")
_ENTER, _END, _CLEAR = frozenset("\r\n"), "\x04", frozenset("\x15\x17")
_RUB_OUT: Final = frozenset("\x7f\b")


class TerminalView:
    """Made by `on_terminal`. `typed` is what stands at the prompt; None where nothing is asked."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._state = Text("connecting", "yellow")
        self._typed: str | None = None

    def event(self, name: str, payload: Any) -> None:
        self._print(Text(event_text(name, payload), "dim" if name == "clock:tick" else "cyan"))

    def answer(self, n: int, value: str, digits: int) -> None:
        self._print(Text.assemble((f"F({n}) = ", "bold"), (value, "green")))

    def refusal(self, asked: str, code: str, message: str) -> None:
        self._print(Text(refusal_text(asked, message), "red"))

    def connected(self, user: Fields, gateway: str) -> None:
        self._set_state(Text.assemble(("● live ", "green"), f"{who_text(user)} at {gateway}"))

    def waiting(self, why: str, seconds: float) -> None:
        self._print(Text(waiting_text(why, seconds), "yellow"))
        self._set_state(Text("○ reconnecting", "yellow"))

    def note(self, text: str) -> None:
        self._print(Text(text, "yellow"))

    def typed(self, text: str | None) -> None:
        self._typed = text
        self._redraw()

    def _set_state(self, state: Text) -> None:
        self._state = state
        self._redraw()

    def _print(self, text: Text) -> None:
        self._live.console.print(text)

    def _redraw(self) -> None:
        lines = [self._state]
        if self._typed is not None:
            lines.append(Text.assemble(("n of F(n): ", "bold"), self._typed, ("▏", "bold")))
        self._live.update(Group(*lines), refresh=True)


@contextlib.contextmanager
def on_terminal(output: Output) -> Iterator[TerminalView]:
    console = Console(file=cast(TextIO, output), force_terminal=True, highlight=False, soft_wrap=True)
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        view = TerminalView(live)
        yield view


class LineEditor:
    """What is typed, key by key. `on_line` is given whole lines, `on_end` is called for Ctrl-D on an empty one."""

    def __init__(
        self, on_line: Callable[[str], None], on_end: Callable[[], None], on_change: Callable[[str], None]
    ) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._on_change = on_change
        self._line = ""

    def feed(self, keys: str) -> None:
        for key in _ESCAPES.sub("", keys):
            if key in _ENTER:
                line, self._line = self._line, ""
                self._on_line(line)
            elif key == _END and not self._line:
                self._on_end()
                return
            elif key in _RUB_OUT:
                self._line = self._line[:-1]
            elif key in _CLEAR:
                self._line = ""
            elif key.isprintable() and len(self._line) < MAX_TYPED:
                self._line += key
        self._on_change(self._line)


@contextlib.contextmanager
def keys_read(editor: LineEditor) -> Iterator[None]:
    """Give the editor every key meanwhile. Ctrl-C and Ctrl-Z are signals as ever."""
    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    decoder = getincrementaldecoder("utf-8")("replace")
    before = termios.tcgetattr(keyboard)

    def read() -> None:
        keys = os.read(keyboard, 4096)
        if not keys:  # the terminal is gone
            loop.remove_reader(keyboard)
        editor.feed(decoder.decode(keys) if keys else _END)

    def take() -> None:
        tty.setcbreak(keyboard, termios.TCSANOW)

    take()
    loop.add_signal_handler(signal.SIGCONT, take)  # the shell has had the terminal meanwhile
    loop.add_reader(keyboard, read)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        loop.remove_signal_handler(signal.SIGCONT)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
