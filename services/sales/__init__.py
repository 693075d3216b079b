"""Sales: records as they are made, read from a JSON Lines source, stored once and served live."""
