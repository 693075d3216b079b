"""Settings: frozen dataclasses read from PULSO_* variables, with all faults reported at once.

A field of a settings class is one variable: `redis_url` is PULSO_REDIS_URL. PULSO_REDIS_URL_FILE names a file
that holds the value instead, for secrets. Nothing here reads the environment by itself: `load` is given it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

PREFIX: Final = "PULSO_"

S = TypeVar("S")
T = TypeVar("T")

_ON: Final = frozenset({"1", "on", "true", "yes"})
_OFF: Final = frozenset({"0", "off", "false", "no"})


class ConfigFaults(Exception):
    """Everything that is wrong with the settings, one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def setting(
    default: Any,
    doc: str,
    *,
    check: Callable[[Any], str | None] | None = None,
    secret: bool = False,
) -> Any:
    """A field with a default. `check` answers what is wrong with a value, or None."""
    return dataclasses.field(default=default, metadata={"doc": doc, "check": check, "secret": secret})


def choice(default: str, doc: str, *allowed: str) -> Any:
    """A field for one of these words. They end its `doc`, and with it every complaint."""
    *others, last = allowed
    shown = f"{doc}: {', '.join(others)} or {last}."
    return setting(default, shown, check=lambda value: None if value in allowed else "is none of these")


def required(doc: str, *, check: Callable[[Any], str | None] | None = None, secret: bool = False) -> Any:
    """A field without a default: the process does not start without it."""
    return dataclasses.field(metadata={"doc": doc, "check": check, "secret": secret})


def at_least(low: float) -> Callable[[Any], str | None]:
    return lambda value: None if value >= low else f"must be at least {low:g}"


def between(low: float, high: float) -> Callable[[Any], str | None]:
    return lambda value: None if low <= value <= high else f"must be between {low:g} and {high:g}"


@dataclasses.dataclass(frozen=True, slots=True)
class Documented:
    """One setting as the README's table shows it."""

    variable: str
    default: str
    doc: str


def variable_of(field_name: str) -> str:
    return PREFIX + field_name.upper()


def documented(kinds: Iterable[type]) -> list[Documented]:
    """The settings of these classes, each variable once, in order."""
    rows: dict[str, Documented] = {}
    for kind in kinds:
        for field in dataclasses.fields(kind):
            variable = variable_of(field.name)
            rows.setdefault(variable, Documented(variable, _shown(field), field.metadata["doc"]))
    return list(rows.values())


def load(kind: type[S], environ: Mapping[str, str], *, known: Iterable[type] = ()) -> S:
    """Read one settings class; raises `ConfigFaults` with every fault.

    `known` are the settings classes of the other processes: a PULSO_* variable of none of them is a fault
    as well, because a misspelt setting would otherwise be ignored in silence.
    """
    (loaded,) = load_all((kind,), environ, known=known)
    return typing.cast(S, loaded)


def load_all(kinds: tuple[type, ...], environ: Mapping[str, str], *, known: Iterable[type] = ()) -> list[Any]:
    """Read several settings classes; the faults of all of them come together."""
    faults: list[str] = []
    values = [_read(kind, environ, faults) for kind in kinds]
    faults += _unknown({*kinds, *known}, environ)
    if faults:
        raise ConfigFaults(list(dict.fromkeys(faults)))
    return [kind(**fields) for kind, fields in zip(kinds, values, strict=True)]


def _read(kind: type, environ: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        variable = variable_of(field.name)
        try:
            text = _text(variable, environ)
            if text is None:
                if field.default is dataclasses.MISSING:
                    faults.append(f"{variable}: missing. {field.metadata['doc']}")
                continue
            value = _parse(text, hints[field.name])
            complaint = field.metadata["check"] and field.metadata["check"](value)
            if complaint:
                raise ValueError(complaint)
            values[field.name] = value
        except (ValueError, OSError) as fault:
            shown = "" if field.metadata["secret"] else f" {environ.get(variable, '')!r}"
            faults.append(f"{variable}:{shown} {fault}. {field.metadata['doc']}")
    return values


def _text(variable: str, environ: Mapping[str, str]) -> str | None:
    """The value; None where there is none. An empty one is none: compose files pass unset variables so."""
    text = environ.get(variable) or None
    file = environ.get(f"{variable}_FILE")
    if not file:
        return text
    if text is not None:
        raise ValueError(f"set it or {variable}_FILE, not both")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise ValueError(f"the file {file} cannot be read ({fault.strerror})") from fault


def _parse(text: str, hint: Any) -> Any:
    if hint is bool:
        return _switch(text)
    if hint is int:
        return _number(int, text, "a whole number")
    if hint is float:
        return _number(_finite, text, "a number")
    if hint is Path:
        return Path(text).expanduser()
    if hint == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word in _ON:
        return True
    if word in _OFF:
        return False
    raise ValueError("must be on or off")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("endless, or no number at all")
    return number


def _number(kind: Callable[[str], T], text: str, what: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be {what}") from None


def _unknown(kinds: Iterable[type], environ: Mapping[str, str]) -> list[str]:
    names = {variable_of(field.name) for kind in kinds for field in dataclasses.fields(kind)}
    faults = []
    for variable in sorted(environ):
        plain = variable.removesuffix("_FILE")
        if not variable.startswith(PREFIX) or variable in names or plain in names:
            continue
        near = difflib.get_close_matches(plain, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else " Remove it, or see the settings in README.md."
        faults.append(f"{variable}: unknown.{hint}")
    return faults


def _shown(field: dataclasses.Field[Any]) -> str:
    default = field.default
    if default is dataclasses.MISSING:
        return "(required)"
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default)
