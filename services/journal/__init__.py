"""The journal: the log of all messages between clients and gateways."""
