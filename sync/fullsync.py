"""The full synchronization: review lines, who waits for whom, and the actions on them (S70 ff., sync-engine.md 4)."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.dataverse.client import DataverseClient
from connection.errors import FixSetup
from connection.models import CRMConnection
from connection.texts import in_every_language
from coupling.models import TableMapping
from coupling.prerequisites import in_order, parents
from sync.entries import UNASKED, hold, restart
from sync.entries import cancel as cancel_entry
from sync.models import (
    OPEN,
    FullSynchReviewLine,
    FullSynchronization,
    FullSynchState,
    JobKind,
    JobQueueEntry,
    JobStatus,
    Priority,
    Recommendation,
    Request,
    SynchJob,
)
from sync.queue import hand_over
from sync.recommendation import advise
from sync.rest import is_at_rest


class NotNow(FixSetup):
    """The action does not fit how the full synchronization stands."""

    text = _("This cannot be done while the full synchronization runs.")
    fix = _("Pause or cancel it first, or wait until it has finished.")


class Paused(FixSetup):
    """A line cannot run while all others rest."""

    text = _("The full synchronization is paused.")
    fix = _("Choose Start, then restart the line.")


class CircleOfMappings(FixSetup):
    """Mappings need each other, so that none can be first."""

    text = _("These mappings need each other, so that none can go first.")
    fix = _("Let one of their lookups stay blank at first (Clear Value on Failed Sync).")


def current() -> FullSynchronization | None:
    """The full synchronization that is prepared, runs or ended last."""
    return FullSynchronization.objects.filter(is_current=True).first() or FullSynchronization.objects.first()


def prepare(user: User) -> FullSynchronization:
    """Make the review lines, without starting anything (S71). One that is under way is returned as it is.

    One that was prepared and never started is prepared anew. Costs a request a mapping.

    Raises:
        NotConnected: there is no connection.
        CircleOfMappings: the mappings need each other.
        CRMBridgeError: the CRM cannot be asked.
    """
    known = FullSynchronization.objects.filter(is_current=True).first()
    if known and known.state != FullSynchState.PREPARED:
        return known
    lines = _lines()
    try:
        with transaction.atomic():
            full = known or FullSynchronization.objects.create(created_by=user)
            full = FullSynchronization.objects.select_for_update().get(pk=full.pk)
            if full.state == FullSynchState.PREPARED:
                full.lines.all().delete()
                _store(full, lines)
    except IntegrityError:
        # Somebody else has prepared one at the same moment.
        return FullSynchronization.objects.get(is_current=True)
    return full


def _lines() -> list[tuple[FullSynchReviewLine, list[str]]]:
    """The lines in their order, each with the names of those that it waits for."""
    mappings = list(TableMapping.objects.filter(is_enabled=True))
    try:
        order, before = in_order(mappings), parents(mappings)
    except ValueError as error:
        raise CircleOfMappings(technical=str(error)) from error
    client = CRMConnection.enabled().client()
    return [(_line(mapping, place, client), before[mapping.name]) for place, mapping in enumerate(order)]


def _line(mapping: TableMapping, place: int, client: DataverseClient) -> FullSynchReviewLine:
    advice = advise(mapping, client)
    return FullSynchReviewLine(
        position=place,
        name=mapping.name,
        mapping=mapping,
        direction=mapping.direction,
        recommendation=advice.recommendation,
        reason=in_every_language(advice.reason),
        erp_count=advice.erp,
        crm_count=advice.crm,
    )


def _store(full: FullSynchronization, lines: Iterable[tuple[FullSynchReviewLine, list[str]]]) -> None:
    by_name: dict[str, FullSynchReviewLine] = {}
    for line, before in lines:
        line.full_synchronization = full
        line.save()
        line.depends_on.set([by_name[name] for name in before])
        by_name[line.name] = line


def start(full: FullSynchronization, user: User) -> bool:
    """Start a prepared full synchronization, or go on with a paused one; whether it was this call that did.

    Returns at once: workers do the rest (S75).
    """
    by = {"started_by": user, "started_at": timezone.now()}
    with transaction.atomic():
        done = _run(full, (FullSynchState.PREPARED,), **by)
        if not done and _run(full, (FullSynchState.PAUSED,)):
            done = True
            _wake(full)
    go_on()
    return done


def _wake(full: FullSynchronization) -> None:
    """Have paused lines go on. One whose page is still in hand need not stop after it any more."""
    _entries(full).filter(request=Request.HOLD).update(**UNASKED)
    for entry in _entries(full).filter(status=JobStatus.ON_HOLD):
        restart(entry)


def pause(full: FullSynchronization, user: User) -> bool:
    """Let every line stop after the page in hand; `start` goes on from there."""
    with transaction.atomic():
        done = _move(full, (FullSynchState.RUNNING,), FullSynchState.PAUSED)
        for entry in _entries(full).filter(status__in=OPEN) if done else ():
            hold(entry, user.get_username())
    return done


def cancel(full: FullSynchronization, user: User) -> bool:
    """Stop every line after the page in hand, for good; what has been synchronized stands."""
    stoppable = (FullSynchState.PREPARED, FullSynchState.RUNNING, FullSynchState.PAUSED, FullSynchState.STOPPED)
    ended = {"is_current": False, "finished_at": timezone.now()}
    with transaction.atomic():
        done = _move(full, stoppable, FullSynchState.CANCELLED, **ended)
        for entry in _entries(full).filter(status__in=(*OPEN, JobStatus.ON_HOLD)) if done else ():
            cancel_entry(entry, user.get_username())
    return done


def restart_line(line: FullSynchReviewLine) -> bool:
    """Have a line run again: a failed one from where it stopped, a finished one from the beginning.

    Raises:
        Paused: the full synchronization rests.
        NotNow: the line runs, or another full synchronization has taken this one's place.
    """
    with transaction.atomic():
        full = _locked(line)
        if full.state == FullSynchState.PAUSED:
            raise Paused
        another = FullSynchronization.objects.filter(is_current=True).exclude(pk=full.pk)
        if not _is_settled(line) or another.exists():
            raise NotNow
        if line.entry is None or not restart(line.entry):
            FullSynchReviewLine.objects.filter(pk=line.pk).update(entry=None)
        started = set(FullSynchState) - {FullSynchState.PREPARED}
        _run(full, started, is_current=True, finished_at=None)
    go_on()
    return True


def _locked(line: FullSynchReviewLine) -> FullSynchronization:
    """The line's full synchronization, which nobody else changes until this transaction ends; both as they are now."""
    full = FullSynchronization.objects.select_for_update().get(pk=line.full_synchronization_id)
    line.refresh_from_db()
    return full


def restart_failed(full: FullSynchronization) -> int:
    """Restart all lines that failed; returns how many."""
    failed = [line for line in full.lines.select_related("entry", "full_synchronization") if has_failed(line)]
    return sum(restart_line(line) for line in failed)


def reset(full: FullSynchronization, user: User) -> FullSynchronization:
    """Forget choices and statuses and prepare anew; what has run stays as history.

    Raises:
        NotNow: a line runs.
    """
    same = FullSynchronization.objects.filter(pk=full.pk)
    ended = (FullSynchState.FINISHED, FullSynchState.STOPPED, FullSynchState.CANCELLED)
    is_over = same.filter(state__in=ended).update(is_current=False)
    if not is_over and not same.filter(state=FullSynchState.PREPARED).exists():
        raise NotNow
    return prepare(user)


def recommend_full(line: FullSynchReviewLine) -> None:
    """Have the line synchronize everything, whatever was recommended: from the beginning, where it ran before.

    Raises:
        NotNow: the line runs, or another full synchronization has taken this one's place.
    """
    chosen = {"recommendation": Recommendation.FULL, "reason": in_every_language(_("Chosen by hand."))}
    with transaction.atomic():
        full = _locked(line)
        if not _is_settled(line):
            raise NotNow
        FullSynchReviewLine.objects.filter(pk=line.pk).update(**chosen, entry=None)
        if full.state not in (FullSynchState.PREPARED, FullSynchState.PAUSED):
            restart_line(line)


def go_on() -> None:
    """Start the lines whose waiting is over, and tell by the lines how the full synchronization stands.

    One that has stopped runs again where a failed line of it was restarted. May be called by anybody at any time:
    every step happens once (I5).
    """
    live = FullSynchronization.objects.filter(
        is_current=True, state__in=(FullSynchState.RUNNING, FullSynchState.STOPPED)
    )
    if not live.exists():
        return
    with transaction.atomic():
        full = live.select_for_update().first()
        if full is None:
            return
        lines = list(full.lines.select_related("entry", "mapping").prefetch_related("depends_on__entry"))
        for line in lines:
            if line.entry is None and line.recommendation != Recommendation.NOTHING and not waits_for(line):
                _begin(full, line)
        _judge(full, lines)


def waits_for(line: FullSynchReviewLine) -> list[FullSynchReviewLine]:
    """The lines that must finish before this one may start (S72)."""
    return [each for each in line.depends_on.all() if not has_finished(each)]


def _begin(full: FullSynchronization, line: FullSynchReviewLine) -> None:
    if line.mapping is None:
        return
    line.entry = JobQueueEntry.objects.create(
        mapping=line.mapping,
        category=line.mapping.name,
        kind=JobKind.COUPLE if line.recommendation == Recommendation.COUPLE else JobKind.SYNCHRONIZE,
        is_full=line.recommendation == Recommendation.FULL,
        priority=Priority.FULL,
        created_by=full.started_by,
    )
    line.save(update_fields=["entry"])
    hand_over()


def _judge(full: FullSynchronization, lines: list[FullSynchReviewLine]) -> None:
    """It has finished when every line has, and stopped when nothing more can start."""
    runs = full.state == FullSynchState.RUNNING
    if any(line.entry and line.entry.status in (*OPEN, JobStatus.ON_HOLD) for line in lines):
        if not runs or is_at_rest():
            _run(full, (full.state,), finished_at=None)
    elif runs and _fills_in(lines):
        return
    elif all(has_finished(line) for line in lines):
        _move(full, (full.state,), FullSynchState.FINISHED, is_current=False, finished_at=timezone.now())
    elif runs:
        _move(full, (full.state,), FullSynchState.STOPPED, finished_at=timezone.now())


def _fills_in(lines: list[FullSynchReviewLine]) -> bool:
    """Whether references that had to wait are still being filled in (I7)."""
    mappings = [line.mapping_id for line in lines]
    return JobQueueEntry.objects.filter(kind=JobKind.RELEASE, mapping__in=mappings, status__in=OPEN).exists()


def has_finished(line: FullSynchReviewLine) -> bool:
    """Records that failed inside a finished line do not hold up others (F4.7)."""
    if line.entry is None:
        return line.recommendation == Recommendation.NOTHING or line.mapping is None
    return line.entry.status == JobStatus.FINISHED


def has_failed(line: FullSynchReviewLine) -> bool:
    """Whether its job ended with an error or was cancelled."""
    return line.entry is not None and line.entry.status == JobStatus.ERROR


def _is_settled(line: FullSynchReviewLine) -> bool:
    return line.entry is None or line.entry.status in (JobStatus.FINISHED, JobStatus.ERROR)


def _entries(full: FullSynchronization) -> "QuerySet[JobQueueEntry]":
    return JobQueueEntry.objects.filter(review_line__full_synchronization=full)


def _run(full: FullSynchronization, sources: Iterable[str], **values: object) -> bool:
    """Have it run, and measure its rate from now on: in a pause, nothing could be read."""
    jobs = SynchJob.objects.filter(execution__entry__review_line__full_synchronization=full)
    measured = {"resumed_at": timezone.now(), "read_before": jobs.aggregate(read=Sum("read", default=0))["read"]}
    return _move(full, sources, FullSynchState.RUNNING, **measured, **values)


def _move(full: FullSynchronization, sources: Iterable[str], target: FullSynchState, **values: object) -> bool:
    """Compare-and-set of the state."""
    same = FullSynchronization.objects.filter(pk=full.pk, state__in=sources)
    done = bool(same.update(state=target, **values))
    full.refresh_from_db()
    return done
