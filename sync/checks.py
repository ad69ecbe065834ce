"""System checks: a setting of the task queue that makes it run work twice is refused at the start."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_retry(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """A task may not be delivered again while it still runs or waits in a worker's memory (libraries.md 2.4)."""
    queue = settings.Q_CLUSTER
    rounds = ceil((queue["queue_limit"] + queue["bulk"]) / queue["workers"]) + 1
    least = queue["timeout"] * rounds
    if queue["retry"] > least:
        return []
    hint = f"Let retry be more than timeout x (ceil((queue_limit + bulk) / workers) + 1) = {least}."
    return [Error("Q_CLUSTER delivers tasks again while they still run.", hint=hint, id="sync.E001")]
