"""How many rows go into one call: as many as the CRM works off in good time, and as fit one (7, 10)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aim:
    """What calls of one sort should be like: rows (at first, at least, at most), seconds, bytes, growth at a time."""

    start: int
    fewest: int
    most: int
    seconds: float
    bytes: int
    growth: float


WRITING = Aim(start=250, fewest=10, most=1000, seconds=1.5, bytes=8 * 1024 * 1024, growth=1.25)
# 5 000 is the CRM's own page (5.3). Nobody else waits for a page that is read, so it may take longer than a write.
READING = Aim(start=5000, fewest=50, most=5000, seconds=6.0, bytes=8 * 1024 * 1024, growth=2.0)


class BatchSize:
    """The size of the next call of one sort; grows while calls are full and quick, and shrinks at once."""

    def __init__(self, aim: Aim = WRITING) -> None:
        self.aim = aim
        self.rows = aim.start

    def learn(self, rows: int, seconds: float, size: int, *, full: bool = True) -> None:
        """Note that a call of `rows` and `size` bytes took `seconds`; `full` tells whether more rows would have come.

        A slow call may have met a bad moment and halves at most; few rows do not get quicker by being fewer.
        """
        slow, heavy = seconds / self.aim.seconds if full else 0.0, size / self.aim.bytes
        load = max(min(slow, 2.0), heavy)
        if load > 1:
            self._set(min(self.rows, rows / load))
        elif rows >= self.rows:
            self._set(rows * min(self.aim.growth, 1 / max(load, 0.001)))

    def shrink(self, rows: int) -> None:
        """Note that a call of `rows` was too large: it timed out, or was refused as too large."""
        self._set(min(self.rows, rows / 2))

    def collapse(self) -> None:
        """Note that nothing came back in any sensible time or size: start over from the fewest rows."""
        self._set(self.aim.fewest)

    def _set(self, rows: float) -> None:
        self.rows = max(self.aim.fewest, min(self.aim.most, int(rows)))
