"""The store: on real files, killed, filled up, and opened by several."""
