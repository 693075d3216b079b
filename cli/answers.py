"""What programs read in the answers of a server's HTTP API, and why there is none."""

from __future__ import annotations

import os
import socket
import ssl

import msgspec

from pulso.errors import ErrorBody, ErrorDetail


class SignedIn(msgspec.Struct, frozen=True):
    """What of a sign-in's answer matters to a program: the token, and for how many seconds it lives."""

    access_token: str
    expires_in: float


def refusal_of(body: bytes) -> ErrorDetail | None:
    """The error that was answered; None for what no Pulso says."""
    try:
        return msgspec.json.decode(body, type=ErrorBody).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def seconds_of(retry_after: str) -> float | None:
    """How long to wait, by the header Retry-After; None where it does not say, or not in seconds."""
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else None


def reason_of(fault: Exception) -> str:
    """Why a server cannot be reached, in the system's words: `Connection refused`, `Name or service not known`."""
    inner = getattr(fault, "os_error", None) or fault  # aiohttp's own say it at length
    if isinstance(inner, OSError) and inner.errno is not None:
        has_own_numbers = isinstance(inner, socket.gaierror | ssl.SSLError)
        return str(inner.strerror) if has_own_numbers else os.strerror(inner.errno)
    return str(inner) or type(inner).__name__
