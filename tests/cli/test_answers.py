"""What programs say of a server that does not answer, or not as a Pulso does."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from cli.answers import reason_of, refusal_of, seconds_of


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL] certificate verify failed"), "[SSL] certificate verify failed"),
        (OSError("Multiple exceptions: here and there"), "Multiple exceptions: here and there"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_why_a_server_cannot_be_reached_is_said_in_the_systems_words(fault: Exception, reason: str) -> None:
    assert reason_of(fault) == reason


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'{"error":"no"}', b'{"error":{"code":"odd"}}'])
def test_what_no_pulso_says_is_no_refusal(body: bytes) -> None:
    assert refusal_of(body) is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("", None), ("3", 3.0), ("-1", None), ("1e9", None), ("999999", None)]
)
def test_how_long_to_wait_is_believed_in_seconds_only(header: str, seconds: float | None) -> None:
    assert seconds_of(header) == seconds
