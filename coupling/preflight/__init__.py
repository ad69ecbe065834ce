"""Looks at both sides of the enabled mappings for everything that would go wrong, before anything is written (E14).

`check.py` is the door: `preflight(connection)`, or `check(connection, stage)` for one part. Each of the other modules
asks for the facts of its subject with a constant number of requests, and judges them with pure functions.
"""
