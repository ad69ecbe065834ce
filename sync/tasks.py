"""What the workers run. Tasks are named by dotted path and take no arguments: our own tables say what is to be done."""

from sync import schedules
from sync.working import work_once


def work() -> None:
    """Look at the job queue and do the most urgent piece of work that is due, for one slice."""
    work_once()


def probe() -> None:
    """Look for changes in the CRM, and wake the mappings that have some."""
    schedules.probe()
