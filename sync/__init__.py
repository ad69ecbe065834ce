"""Moves data: the engine, its jobs, errors and conflicts."""
