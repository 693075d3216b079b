"""`python -m pulso.healthcheck`: exits 0 where this container's process is ready, or stands by for another.

With the standard library alone: it is run every few seconds, and loading the rest would cost more than the check.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    port = os.environ.get("PULSO_OPS_PORT") or "9080"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3):  # nosec B310  # our own address
            return 0
    except urllib.error.HTTPError as answer:
        return 0 if json.load(answer).get("status") == "standby" else 1
    except (OSError, ValueError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
