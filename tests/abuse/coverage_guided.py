"""The decoders under atheris, which keeps whatever reaches code that nothing before it has reached.

    pip install atheris
    python -m tests.abuse.coverage_guided "WebSocket frames" -max_total_time=180

Not in a lock, and in no run of the tests: it is built for some platforms only. An input at which something fails
is written into the present folder, as crash-...; given as a further argument it is tried again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["services.gateway.engine", "pulso.message"]):
    from tests.abuse.test_socket_decoders import DECODERS

if __name__ == "__main__":
    name, *options = sys.argv[1:] or [""]
    if name not in DECODERS:
        sys.exit(f"which one? {', '.join(DECODERS)}")
    atheris.Setup([sys.argv[0], *options], DECODERS[name][0])
    atheris.Fuzz()
