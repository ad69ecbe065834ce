"""Hands work to the workers. The only module that knows django-q2, which may lose a task or run it twice (I5)."""

from collections.abc import Sequence
from uuid import uuid4

from django.db import transaction
from django_q.tasks import async_task, fetch


class WorkFailedError(Exception):
    """The work that was handed over ended with an error."""


def enqueue_synchronization(mappings: Sequence[str] = (), *, full: bool = False) -> str:
    """Have a worker synchronize the named mappings, or all enabled ones, once this transaction commits.

    Returns the name of the work, for `wait_for`.
    """
    name = f"synchronize {uuid4()}"
    # A Redis broker is no part of the transaction: without on_commit a worker could look before the data is there.
    transaction.on_commit(lambda: async_task("sync.tasks.synchronize", list(mappings), full, task_name=name))
    return name


def wait_for(name: str, seconds: float) -> list[int]:
    """The primary keys of the synch jobs that the work made.

    Raises:
        TimeoutError: no worker has finished it in this time.
        WorkFailedError: it ended with an error.
    """
    task = fetch(name, wait=int(seconds * 1000))
    if task is None:
        raise TimeoutError(f"{name} was not finished within {seconds:.0f} s")
    if not task.success:
        raise WorkFailedError(str(task.result))
    return list(task.result)
