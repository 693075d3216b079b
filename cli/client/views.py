"""What is shown, and how: lines for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, Protocol

from cli.client.output import Output
from pulso.times import iso

Fields = dict[str, Any]


class View(Protocol):
    def event(self, name: str, payload: Any) -> None:
        """The server told something."""

    def answer(self, n: int, value: str, digits: int) -> None:
        """A Fibonacci number that was asked for."""

    def refusal(self, asked: str, code: str, message: str) -> None:
        """What was asked has no answer: `code` is the server's, or `bad_input`."""

    def connected(self, user: Fields, gateway: str) -> None: ...

    def waiting(self, why: str, seconds: float) -> None:
        """There is no connection; it is tried again in so many seconds."""

    def note(self, text: str) -> None: ...


class JsonView:
    """One JSON object a line, everything on standard output.

    `{"at": "...Z", "type": "event", "event": "clock:tick", "payload": {"now": "...Z"}}`
    `{"at": "...Z", "type": "answer", "n": 10, "value": "55", "digits": 2}`
    `{"at": "...Z", "type": "refusal", "asked": "x", "code": "bad_input", "message": "..."}`
    `{"at": "...Z", "type": "connected", "user": {"id", "name", "kind"}, "gateway": "gw-1f2e3d4c"}`
    `{"at": "...Z", "type": "waiting", "why": "...", "seconds": 0.31}`
    `{"at": "...Z", "type": "note", "text": "..."}`
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    def event(self, name: str, payload: Any) -> None:
        self._say("event", event=name, payload=payload)

    def answer(self, n: int, value: str, digits: int) -> None:
        self._say("answer", n=n, value=value, digits=digits)

    def refusal(self, asked: str, code: str, message: str) -> None:
        self._say("refusal", asked=asked, code=code, message=message)

    def connected(self, user: Fields, gateway: str) -> None:
        self._say("connected", user=user, gateway=gateway)

    def waiting(self, why: str, seconds: float) -> None:
        self._say("waiting", why=why, seconds=round(seconds, 3))

    def note(self, text: str) -> None:
        self._say("note", text=text)

    def _say(self, kind: str, **fields: Any) -> None:
        self._output.write(json.dumps({"at": iso(datetime.now(UTC)), "type": kind, **fields}) + "\n")


class LineView:
    """A line for each thing; how the connection does goes to standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def event(self, name: str, payload: Any) -> None:
        self._output.write(event_text(name, payload) + "\n")

    def answer(self, n: int, value: str, digits: int) -> None:
        self._output.write(f"F({n}) = {printable(value)}\n")

    def refusal(self, asked: str, code: str, message: str) -> None:
        self.note(refusal_text(asked, message))

    def connected(self, user: Fields, gateway: str) -> None:
        self.note(f"connected as {who_text(user)} at {printable(gateway)}")

    def waiting(self, why: str, seconds: float) -> None:
        self.note(waiting_text(why, seconds))

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def event_text(name: str, payload: Any) -> str:
    match name, payload:
        case "clock:tick", {"now": str(now)}:
            return f"{name} {printable(now)}"
        case "numbers:value", {"value": int(value), "step": int(step)}:
            return f"{name} {value} (step {step})"
    return printable(f"{name} {json.dumps(payload, ensure_ascii=False)}")


def refusal_text(asked: str, message: str) -> str:
    return printable(f"{asked}: {message}")


def waiting_text(why: str, seconds: float) -> str:
    return printable(f"{why}; trying again in {seconds:.1f} s")


def who_text(user: Fields) -> str:
    return printable(f"{user.get('name')} ({user.get('kind')})")


def printable(text: str) -> str:
    """Without anything that a terminal would take for a command: names are chosen by strangers."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
