"""`pulso collect`: takes a server's sales into a SQLite file, each of them once."""
