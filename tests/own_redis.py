"""Numbered databases of a Redis server, one for each of pytest-xdist's workers.

A cache that one worker's tests clear would be cleared for all: its database holds the request budget, the count of
refused keys and the queue, too.
"""

from urllib.parse import urlsplit, urlunsplit

import pytest
import redis


def empty_databases(url: str, number: int) -> list[str]:
    """The addresses of so many empty databases of the server, besides the one that is named.

    Raises:
        UsageError: it has not as many.
    """
    parts = urlsplit(url)
    others = (urlunsplit(parts._replace(path=f"/{each}")) for each in range(15, 0, -1))
    empty = [each for each in others if each != url and not redis.Redis.from_url(each).dbsize()]
    if len(empty) < number:
        raise pytest.UsageError(f"Redis at {parts.hostname}:{parts.port} has {len(empty)} empty databases of {number}.")
    return empty[:number]


def leave_nothing_in(url: str) -> None:
    """Empty a database once more."""
    redis.Redis.from_url(url).flushdb()
