"""Counts failed sign-ins, so that passwords cannot be guessed by the thousand."""

import hashlib
from typing import ClassVar

from django.core.cache import cache


class FailedAttempts:
    """The failed sign-ins of one user name from one address, within the window that began with the first of them.

    Counted in the cache: with Redis for all web processes together, without it for each of them.
    """

    LIMIT: ClassVar[int] = 10
    WINDOW: ClassVar[int] = 15 * 60

    def __init__(self, username: str, address: str) -> None:
        name = hashlib.sha256(f"{username.strip().lower()}|{address}".encode()).hexdigest()
        self._key = f"failed-sign-ins:{name}"

    @property
    def are_too_many(self) -> bool:
        """Whether the limit is reached."""
        return int(cache.get(self._key, 0)) >= self.LIMIT

    def add(self) -> None:
        """Count one more."""
        cache.add(self._key, 0, timeout=self.WINDOW)
        try:
            cache.incr(self._key)
        except ValueError:  # the window closed between the two lines
            cache.set(self._key, 1, timeout=self.WINDOW)

    def forget(self) -> None:
        """Start at nothing: the person has proved who they are."""
        cache.delete(self._key)
