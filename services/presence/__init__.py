"""Presence: who is connected now, and who comes and goes."""
