"""Ops: how all processes stand, for those who run them."""
