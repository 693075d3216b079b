"""Accounts, sessions, access tokens and guests."""
