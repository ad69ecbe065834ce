"""How many rows go into one call: as many as the CRM works off in a second or two, and as fit one (7, 10)."""

FEWEST = 10
MOST = 1000
START = 250
# Seconds that a call should take, and from which on it takes too long.
_TARGET = 1.5
_TOO_LONG = 3.0
_LARGEST = 8 * 1024 * 1024
_GROWTH = 1.25


class BatchSize:
    """The size of the next batch of one sort of call; grows slowly and shrinks at once."""

    def __init__(self, rows: int = START) -> None:
        self.rows = rows

    def learn(self, rows: int, seconds: float, size: int) -> None:
        """Note that a call of `rows` and `size` bytes took `seconds`."""
        if seconds > _TOO_LONG:
            return self.shrink(rows)
        fit = min(rows * _TARGET / max(seconds, 0.001), rows * _LARGEST / max(size, 1))
        grown = max(self.rows, min(self.rows, rows) * _GROWTH)
        self.rows = _bounded(min(fit, grown))
        return None

    def shrink(self, rows: int) -> None:
        """Note that a call of `rows` was too large: it timed out, took long, or was refused as too large."""
        self.rows = _bounded(min(self.rows, rows / 2))


def _bounded(rows: float) -> int:
    return max(FEWEST, min(MOST, int(rows)))
