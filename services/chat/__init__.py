"""Chat: rooms and who is in them, messages, typing and files."""
