"""Who waits for the CRM's answer: somebody, or nobody (dataverse-web-api.md 10).

Whatever a web request does has somebody who waits; what the workers do has nobody, unless they say so with the block
`somebody_waits`. The clients of `connection.clients` go by this, so that their callers need not think of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

_is_awaited = ContextVar("is_awaited", default=False)


def is_awaited() -> bool:
    """Whether somebody waits for what runs here. Threads begin without anybody, also those of a web request."""
    return _is_awaited.get()


@contextmanager
def somebody_waits() -> Iterator[None]:
    """Have the clients that are asked for in this block use the reserve that bulk work leaves.

    For what a worker does behind a person's click, as long as it is about a few records: the reserve is small.
    """
    before = _is_awaited.set(True)
    try:
        yield
    finally:
        _is_awaited.reset(before)


class SomebodyWaits:
    """Middleware: web requests, pages and the API alike, have somebody who waits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with somebody waiting."""
        with somebody_waits():
            return self.get_response(request)
