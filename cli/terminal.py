"""Where tables go: rich's console, which leaves a reader that has seen enough to `main`."""

from __future__ import annotations

from rich.console import Console


class Terminal(Console):
    def __init__(self) -> None:
        super().__init__(soft_wrap=True, highlight=False)

    def on_broken_pipe(self) -> None:
        """Rich itself would exit with 1, as if something were wrong."""
        raise BrokenPipeError
