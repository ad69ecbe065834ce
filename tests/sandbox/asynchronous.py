"""Drives an asynchronous client like a synchronous one, so that one suite serves both."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any


class Driven:
    """Something of an asynchronous client: what it would have awaited is awaited here, on the client's own loop.

    Answers come back as they are, asynchronous iterators as lists, `async with` as `with`. Whatever else belongs to
    the client (its namespaces, builders, batches) is driven in turn.
    """

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return self._settled(getattr(self._target, name))

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._settled(self._target(*arguments, **options))

    def __enter__(self) -> Any:
        return self._settled(self._target.__aenter__())

    def __exit__(self, *exception: Any) -> None:
        self._settled(self._target.__aexit__(*exception))

    def _settled(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._settled(self._loop.run_until_complete(value))
        if isinstance(value, AsyncIterator):
            return self._loop.run_until_complete(_listed(value))
        is_part = ".aio." in str(getattr(type(value), "__module__", "")) or inspect.ismethod(value)
        return Driven(value, self._loop) if is_part else value


async def _listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
