"""The settings of a whole Pulso on one machine: the environment, and flags that win over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from pulso.config import load_all, variable_of
from pulso.settings import KitSettings
from services import settings as product
from services.settings import (
    AuthSettings,
    ChatSettings,
    GatewaySettings,
    GraceSettings,
    JournalSettings,
    NumbersSettings,
    SalesSettings,
)

TESTS_OWN: Final = "PULSO_TEST_"
"""What variables for the tests begin with: they are not settings."""

_TO_BE_MADE: Final = "made-in-the-data-folder-at-the-first-start"


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them, read and checked together."""

    kit: KitSettings
    auth: AuthSettings
    numbers: NumbersSettings
    grace: GraceSettings
    sales: SalesSettings
    chat: ChatSettings
    journal: JournalSettings
    gateway: GatewaySettings


def read(environ: Mapping[str, str]) -> Settings:
    """Raises `ConfigFaults` with all faults of all parts. A pepper may be missing: `pulso up` makes one."""
    if not is_set(environ, "pepper"):
        environ = {**environ, "PULSO_PEPPER": _TO_BE_MADE}
    if not is_set(environ, "sales_source") and not is_set(environ, "sales_generator"):
        # Something to look at. Never in a source that was named: made-up sales do not belong among real ones.
        environ = {**environ, variable_of("sales_generator"): "1"}
    kinds = (
        KitSettings, AuthSettings, NumbersSettings, GraceSettings, SalesSettings, ChatSettings, JournalSettings,
        GatewaySettings,
    )  # fmt: skip
    return Settings(*load_all(kinds, environ, known=product.ALL))


def is_set(environ: Mapping[str, str], field: str) -> bool:
    """Whether a setting has a value of its own, by itself or from a file; an empty one is none."""
    return bool(environ.get(variable_of(field)) or environ.get(f"{variable_of(field)}_FILE"))


def with_values(environ: Mapping[str, str], **values: str | int | Path | None) -> dict[str, str]:
    """The environment with these settings instead of what it says; None leaves one as it is."""
    changed = {name: text for name, text in environ.items() if not name.startswith(TESTS_OWN)}
    for field, value in values.items():
        if value is not None:
            changed.pop(f"{variable_of(field)}_FILE", None)
            changed[variable_of(field)] = str(value)
    return changed


def without(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """The environment without these settings."""
    gone = {variable_of(name) for name in names} | {f"{variable_of(name)}_FILE" for name in names}
    return {name: text for name, text in environ.items() if name not in gone}


def on_embedded_redis(kit: KitSettings, url: str) -> KitSettings:
    """Its user `default` needs no password: only its owner can open its socket."""
    return replace(kit, redis_url=url, redis_username="", redis_password="")


def shown(settings: Settings, environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Each variable, its value (secrets hidden) and where the value comes from."""
    rows: dict[str, tuple[str, str, str]] = {}
    parts = (
        settings.kit, settings.gateway, settings.auth, settings.numbers, settings.grace, settings.sales,
        settings.chat, settings.journal,
    )  # fmt: skip
    for part in parts:
        for field in fields(part):
            variable = variable_of(field.name)
            origin = "set" if is_set(environ, field.name) else "default"
            value = "(hidden)" if field.metadata["secret"] else _text(getattr(part, field.name))
            rows.setdefault(variable, (variable, value, origin))
    return list(rows.values())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
