"""One big ERP table on several workers: it is read in ranges of its ids, which never change, by whoever is free.

What is changed, or inserted at either end, while the ranges are read comes after the cursor that is taken before (I4).
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from sync.engine.case import Pass
from sync.engine.reading import RANGES
from sync.lease import AlreadyRunning
from sync.models import END, KeyRange, SynchJob, SynchState


class OthersAtWork(AlreadyRunning):
    """Nothing is left of a pass but what other workers have in hand."""


def spans(boundaries: Sequence[UUID]) -> Iterator[tuple[UUID | None, UUID | None]]:
    """The ranges between ascending boundaries, open at both ends: every id is above one limit and up to the other."""
    return zip([None, *boundaries], [*boundaries, None], strict=True)


def divide(run: Pass) -> None:
    """Make the ranges of a pass; from here on others may share in it.

    Raises:
        LeaseLost: another process runs this mapping now.
    """
    cursor = run.bridge.erp.cursor()
    limits = spans(run.bridge.erp.boundaries(settings.RANGE_SIZE))
    ranges = [KeyRange(job=run.job, number=n, after=a, until=u) for n, (a, u) in enumerate(limits, start=1)]
    with transaction.atomic():
        run.lease.renew(lease_job=run.job)
        KeyRange.objects.bulk_create(ranges)
        run.job.position = f"{RANGES}{cursor}"
        run.job.save(update_fields=["position"])


def conclude(run: Pass) -> None:
    """End a pass all of whose ranges have been read: now the cursor holds.

    Raises:
        OthersAtWork: others have some of them in hand.
        LeaseLost: another process runs this mapping now.
    """
    with transaction.atomic():
        run.lease.renew()
        if run.job.ranges.exclude(position=END).exists():
            raise OthersAtWork(technical=str(run.job))
        run.job.ranges.all().delete()
        SynchState.objects.filter(mapping=run.mapping).update(erp_cursor=run.job.position.removeprefix(RANGES))
        run.job.position = END
        run.job.save(update_fields=["position"])


def start_over(jobs: "QuerySet[SynchJob]") -> None:
    """Have passes that did not end begin anew; whoever works on one of their ranges can record nothing more of it."""
    with transaction.atomic():
        # In the order in which those who work on them lock them.
        KeyRange.objects.filter(job__in=jobs).delete()
        jobs.update(position="")
