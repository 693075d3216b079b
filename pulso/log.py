"""Logging: structlog, one line an event, as JSON or for a person."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO

import structlog

from pulso import metrics
from pulso.tracing import add_origin


def configure(*, level: str, form: str) -> None:
    """`level` is a name of the logging module's in lower case; `form` is `json` or `pretty`."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_origin,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Traces without local variables in both forms: those may hold passwords and tokens.
    render: list[structlog.typing.Processor]
    if form == "json":
        render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=Spared(sys.stderr)),  # type: ignore[arg-type]  # all it uses
        cache_logger_on_first_use=True,
    )
    # Libraries that use the standard module are let through from warnings up.
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")


class Spared:
    """A stream whose faults are nobody's: what a full disk does not take of the log is lost, and counted.

    Else a request would fail for the line that was to tell of it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # the latter where it was closed
            metrics.LOG_LINES_LOST.inc()
            return 0

    def flush(self) -> None:
        """What could not be written yet may be written by a later one."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
