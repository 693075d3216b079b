"""What is to be known of an endpoint for each of its events, looked up in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from pulso.contract import Surface
from pulso.manifests import Route
from pulso.tallies import Spread
from services.gateway import metrics

_BY_SOCKET: Final = (Surface.OPEN, Surface.SOCKET)


class Known(msgspec.Struct, frozen=True):
    name: str
    route: Route
    channel: str
    """Where its calls go; empty where that depends on the caller."""
    timeout_s: float
    by_socket: bool
    private: bool
    seconds: Spread


def known_from(routes: Mapping[str, Route]) -> dict[bytes, Known]:
    """By the bytes of their names, as they stand in packets."""
    return {name.encode(): _known(route) for name, route in routes.items()}


def _known(route: Route) -> Known:
    endpoint = route.endpoint
    return Known(
        endpoint.name,
        route,
        route.channels[0] if len(route.channels) == 1 else "",
        endpoint.timeout_s,
        endpoint.surface in _BY_SOCKET,
        endpoint.private,
        metrics.ACK_SECONDS.of(endpoint.name),
    )
