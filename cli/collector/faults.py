"""What keeps a collector from collecting: for now, or for good."""

from __future__ import annotations


class Trouble(Exception):
    """Passes by itself: try again, no sooner than in `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """The access token is not believed (any more)."""


class Lost(Exception):
    """The cursor is not one of this server's feed: it has a new database, or an older one."""


class Hopeless(Exception):
    """Does not pass by itself; `code` is the process' exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
