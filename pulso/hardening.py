"""The headers that every HTTP response of ours has, whatever it is and whoever it comes from."""

from __future__ import annotations

from typing import Final

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
NO_CONTENT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
SERVER: Final = {"Server": "pulso"}
NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""What nobody on the way may keep, where a response does not say otherwise."""
