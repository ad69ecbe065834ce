"""Keeps the log readable: what repeats itself many times a second is said now and then."""

import logging
import time
from typing import Final

APART: Final = 60.0


class OnceAMinute(logging.Filter):
    """Lets a warning or an error through again only a minute after the same one, as while Redis is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it has not been said within the last minute."""
        if record.levelno < logging.WARNING:
            return True
        now = time.monotonic()
        self._said = {text: at for text, at in self._said.items() if now - at < APART}
        return self._said.setdefault(record.getMessage(), now) == now
