"""Rows: what may be written into them, and how they are created, changed, deleted and read."""
