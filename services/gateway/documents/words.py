"""What both documents say in the same words: the API in general, its errors, who may ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import pulso
from pulso.contract import Access
from pulso.errors import Code
from pulso.manifest import Manifest, manifest_of
from services.gateway import contract
from services.gateway.relay import MAX_PAYLOAD_BYTES

VERSION: Final = pulso.__version__
LICENSE: Final = {"name": "MIT", "identifier": "MIT"}

MEANING: Final[Mapping[Code, tuple[str, str]]] = {
    "bad_request": (
        "What was sent is not what the endpoint takes; the message says where.",
        "numbers:set: Expected `int` <= 99 - at `$.value`",
    ),
    "unauthorized": ("Nobody is signed in, or the session is over.", "Sign in first."),
    "forbidden": ("The caller may not do this.", "Your account may not do this."),
    "not_found": ("There is no such thing.", "There is no numbers:cube."),
    "conflict": (
        "It contradicts what is there already.",
        "The username ana is taken, or looks like one that is. Choose another.",
    ),
    "too_large": ("More was sent than is taken.", f"A body may have {MAX_PAYLOAD_BYTES} bytes."),
    "rate_limited": (
        "Too much was asked for in too short a time; wait as long as it says.",
        "Too many attempts. Wait a moment and try again.",
    ),
    "internal": (
        "Something went wrong on the server's side; its log says what.",
        "Something went wrong on our side. It has been logged.",
    ),
    "unavailable": (
        "The service is not there right now: nothing was done.",
        "The service cannot be reached right now. Try again in a moment.",
    ),
    "timeout": (
        "The answer took too long; what was sent may have been done.",
        "It was not done in time. Try again in a moment.",
    ),
}

_MAY: Final = {
    Access.ANYONE: "Anybody may ask, also without being signed in.",
    Access.GUEST: "For guests, users and admins.",
    Access.USER: "For users with an account, and admins.",
    Access.ADMIN: "For admins.",
}


def may_ask(access: Access) -> str:
    return _MAY[access]


def with_own(services: Iterable[Manifest]) -> list[Manifest]:
    """All that there is to document: what the gateway offers itself, and the services by name.

    The account's routes stand beside what auth answers under the same name.
    """
    account, session = manifest_of(contract.ACCOUNT, 1), manifest_of(contract.SESSION, 1)
    others = {manifest.service: manifest for manifest in services}
    auth = others.pop(account.service, None)
    if auth is not None:
        own = {endpoint.name for endpoint in account.endpoints}
        asked = tuple(endpoint for endpoint in auth.endpoints if endpoint.name not in own)
        account = Manifest(auth.service, auth.shards, (*account.endpoints, *asked), auth.topics, auth.events)
    return [account, session, *(others[name] for name in sorted(others))]


def error_example(code: Code) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": MEANING[code][1]}}
