"""Least privilege: what each party may do in Redis, and that nothing else is let through."""
