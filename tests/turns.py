"""Threads of the product, and the test that started them, one after the other."""

import threading
from threading import Event


class Turns:
    """Lets the test and the threads of imports take turns.

    A database in memory, which the tests use on SQLite, refuses whoever comes at the same time; a file waits.
    """

    def __init__(self) -> None:
        self._go_on = Event()

    def wait(self) -> None:
        """Wait in a thread until it is its turn."""
        assert self._go_on.wait(200)

    def over_to_imports(self) -> None:
        """Let every import run to its end."""
        self._go_on.set()
        for thread in threading.enumerate():
            if thread.name.startswith("solution import"):
                thread.join(200)
                assert not thread.is_alive()
        self._go_on.clear()
