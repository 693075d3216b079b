"""Clock: the time, to everybody, each second."""
