"""Tests: a real Redis, real SQLite files, real processes and a real browser."""
