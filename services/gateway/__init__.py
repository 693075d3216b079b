"""The gateway: connections, identity at the edge, limits and fan-out; no domain knowledge."""
