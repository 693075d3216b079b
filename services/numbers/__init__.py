"""Numbers: even and odd draws, and everybody's last value."""
