"""The engine: the only place that decides about and writes synchronized data (DESIGN §4)."""
