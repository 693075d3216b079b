"""What every process of Pulso needs to know to start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pulso.config import between, choice, setting
from pulso.redis_link import url_complaint

DEFAULT_OPS_PORT: Final = 9080


@dataclass(frozen=True, slots=True)
class KitSettings:
    """What every process needs to know."""

    # Secret, because a URL may hold a password.
    redis_url: str = setting(
        "redis://127.0.0.1:6379/0",
        "Where Redis is; `pulso up` starts one where unset.",
        check=url_complaint,
        secret=True,
    )
    redis_username: str = setting(
        "", "The user of Redis to sign in as, where the URL has none; one for each service: docs/deployment.md."
    )
    redis_password: str = setting("", "The password of Redis, where the URL has none.", secret=True)
    redis_prefix: str = setting(
        "pulso",
        "What channels and keys begin with: one for each Pulso on a Redis.",
        check=lambda prefix: None if re.fullmatch(r"[\w-]+", prefix) else "must be letters, digits, - and _",
    )
    data: Path = setting(Path(".pulso"), "The folder of the SQLite files, and of what `pulso up` makes.")
    ops_host: str = setting("127.0.0.1", "The address of the ops port (/healthz, /readyz, /metrics).")
    ops_port: int = setting(DEFAULT_OPS_PORT, "The ops port.", check=between(0, 65535))
    log_level: str = choice("info", "How much is logged", "debug", "info", "warning", "error")
    log_format: str = choice("json", "How a line of the log is written", "json", "pretty")
