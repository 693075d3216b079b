"""The errors that a caller may see: a closed list of codes, each with its HTTP status."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Code = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "conflict",
    "too_large",
    "rate_limited",
    "internal",
    "unavailable",
    "timeout",
]

CODES: Final[tuple[Code, ...]] = get_args(Code)

HTTP_STATUS: Final[dict[Code, int]] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
    "timeout": 504,
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong and what to do next: `{"code": "not_found", "message": "..."}`."""

    code: Code
    message: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The wire form of every failure, in acks and in HTTP bodies: `{"error": {"code", "message"}}`."""

    error: ErrorDetail


class ServiceError(Exception):
    """A failure that the caller is told of as it is.

    `message` is read by a person: it says what happened and what to do next. `retry_after_s` (seconds)
    goes with `rate_limited` and becomes the Retry-After header; it does not cross the bus.
    """

    def __init__(self, code: Code, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code: Code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def body(self) -> ErrorBody:
        return ErrorBody(ErrorDetail(self.code, self.message))

    def encode(self) -> bytes:
        """The JSON of `body()`."""
        return msgspec.json.encode(self.body())
