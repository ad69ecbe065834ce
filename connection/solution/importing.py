"""Imports the solution under an administrator's sign-in, and learns how an interrupted import ended (S27 to S32).

The import runs in a thread of the web process that the administrator came back to, so that the token stays in that
process's memory and only until the CRM is done. `SolutionImport` tells everybody else how far it is. Where the process
is stopped, the row falls silent and counts as interrupted; whoever signs in next settles it by asking the CRM for the
import job, whose ID was chosen before the call.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from threading import Thread
from typing import Any

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.clients import client_for
from connection.dataverse.administration import ImportJob
from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import OutcomeUnknown
from connection.errors import CRMBridgeError, FixSetup, RetryLater, Text
from connection.models import CRMConnection, SolutionImport
from connection.solution.building import build
from connection.solution.content import shipped
from connection.solution.state import Standing, compared, installed_version, note_version
from connection.texts import in_every_language

log = logging.getLogger(__name__)
State = SolutionImport.State
_UNSETTLED = (State.RUNNING, State.INTERRUPTED)

# Seconds between two questions how far the CRM is: soon at first, and never rarer than the heartbeat should be.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_DATABASE_PAUSES = (0.1, 0.5, 2.0, 10.0)
# An access token of a person lives about an hour.
_PATIENCE = timedelta(hours=1)
# What has not come to the CRM by then, after a lost answer, never will: it gives a request two minutes.
_ARRIVES_WITHIN = timedelta(minutes=3)


class ImportRunning(FixSetup):
    """An import of the solution is under way."""

    text = _("The solution is being imported already.")
    fix = _("Wait until that import has finished.")


class NewerInstalled(FixSetup):
    """The CRM has a newer solution than the one that is shipped."""

    text = _("Dynamics CRM has a newer version of the solution.")
    fix = _("Update crmbridge; nothing was imported.")


def begin_import(connection: CRMConnection, client: DataverseClient, user: Any) -> SolutionImport:
    """Claim the import for `user`: afterwards it is theirs to `run`, and nobody else can begin one.

    Raises ImportRunning, NewerInstalled, and what the CRM says.
    """
    settle(connection, client)
    installed = installed_version(client)
    note_version(connection, installed)
    state = compared(installed)
    if state.standing is Standing.NEWER:
        text = _("Dynamics CRM has version {installed} of the solution; this crmbridge brings the older {shipped}.")
        raise NewerInstalled(format_lazy(text, installed=state.installed, shipped=state.shipped))
    try:
        with transaction.atomic():
            return SolutionImport.objects.create(
                connection=connection, address=connection.address, started_by=user, version=state.shipped
            )
    except IntegrityError:
        raise ImportRunning from None


def run_in_background(row: SolutionImport, client: DataverseClient, held: ExitStack) -> Thread:
    """Run the import in a thread that closes `held`, and with it the sign-in, when it is over."""

    def work() -> None:
        with held:
            try:
                run(row, client)
            finally:
                connections.close_all()

    thread = Thread(target=work, name=f"solution import {row.pk}", daemon=True)
    thread.start()
    return thread


def run(row: SolutionImport, client: DataverseClient) -> None:
    """Import the solution and write the course into `row`. Raises nothing of ours: failures end up in the row."""
    try:
        if _send(row, client):
            _follow(row, client)
    except CRMBridgeError as error:
        log.info("How the import of the solution ends is not known: %s", error.technical or type(error).__name__)
        _end(row, State.INTERRUPTED, format_lazy("{} {}", error.text, _("Sign in again to see how the import ended.")))
    except Exception:
        log.exception("The import of the solution broke off.")
        _end(row, State.INTERRUPTED, _("The import broke off inside crmbridge. Sign in again to see how it ended."))


def interrupt_silent(connection: CRMConnection) -> None:
    """Mark the import whose server was stopped as interrupted."""
    now = timezone.now()
    running = connection.imports.filter(state=State.RUNNING, heartbeat_at__lt=now - SolutionImport.SILENT_AFTER)
    reason = _("The server was stopped during the import. Sign in again to see how it ended.")
    running.update(state=State.INTERRUPTED, ended_at=now, reasons=in_every_language(reason))


def settle(connection: CRMConnection, client: DataverseClient) -> None:
    """Ask the CRM how interrupted imports ended. Raises ImportRunning where it still works on one, and what it says."""
    interrupt_silent(connection)
    for row in _imports_here(connection).filter(state=State.INTERRUPTED):
        if _settled(row, client, may_arrive=False) is not None:
            raise ImportRunning(_("Dynamics CRM still works on the import that was interrupted."))


def settle_where_allowed(connection: CRMConnection) -> None:
    """The same for a page: the synchronization user may not be allowed to ask, and then the next sign-in settles it."""
    try:
        settle(connection, client_for(connection))
    except CRMBridgeError as error:
        log.info("Interrupted imports cannot be settled now: %s", error.technical or type(error).__name__)


def latest_import(connection: CRMConnection) -> SolutionImport | None:
    """The last import into the environment that the connection leads to, with what is known of it now."""
    interrupt_silent(connection)
    return _imports_here(connection).select_related("started_by").order_by("-started_at", "-pk").first()


def _imports_here(connection: CRMConnection) -> "QuerySet[SolutionImport]":
    return connection.imports.filter(address=connection.address)


def _send(row: SolutionImport, client: DataverseClient) -> bool:
    """Hand the package over; False where the CRM refuses it. A lost answer is none: the CRM is asked for the job (I1).

    Raises RetryLater where the CRM cannot be asked.
    """
    try:
        with suppress(OutcomeUnknown):
            client.administration.begin_import(build(), row.import_job_id)
    except RetryLater:
        raise
    except CRMBridgeError as error:
        _end(row, State.FAILED, error)
        return False
    return True


def _follow(row: SolutionImport, client: DataverseClient) -> None:
    """Watch the job until it is over. Raises what the CRM says, unless that passes."""
    for waited in _pauses():
        progress: int | None = 0
        try:
            progress = _settled(row, client, may_arrive=waited < _ARRIVES_WITHIN.total_seconds())
        except RetryLater as error:
            log.info("The import job cannot be read now: %s", error.technical)
        if progress is None or not _beat(row, progress):
            return
    _end(row, State.INTERRUPTED, _TOO_LONG)


def _settled(row: SolutionImport, client: DataverseClient, *, may_arrive: bool) -> int | None:
    """End the import where it is over, or never came to the CRM and `may_arrive` no more; else how far it is."""
    # In this order: an import that has its turn, or ends, between the two questions is seen by one of them.
    may_arrive = client.administration.is_importing() or may_arrive
    job = client.administration.import_job(row.import_job_id)
    if job is not None and job.is_over:
        _judge(row, client, job)
    elif job is None and not may_arrive:
        _end(row, State.FAILED, _("The package did not reach Dynamics CRM."))
    else:
        return job.progress if job else 0
    return None


_TOO_LONG = _("Dynamics CRM works on the import for more than an hour. Sign in again to see how it ended.")


def _pauses() -> Iterator[float]:
    """Come back again and again, with growing pauses, until patience is over; with the seconds that have passed."""
    began, pause = time.monotonic(), _SHORTEST_PAUSE
    while (waited := time.monotonic() - began) < _PATIENCE.total_seconds():
        time.sleep(pause)
        yield waited
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _beat(row: SolutionImport, progress: int) -> bool:
    """Give a sign of life, with the progress, also where silence was taken for the end; False where it was settled."""
    unsettled = SolutionImport.objects.filter(pk=row.pk, state__in=_UNSETTLED)
    furthest = Greatest("progress", Value(min(progress, 100)))
    alive: dict[str, Any] = {"state": State.RUNNING, "ended_at": None, "reasons": {}, "progress": furthest}
    try:
        return bool(_written(lambda: unsettled.update(heartbeat_at=timezone.now(), **alive)))
    except IntegrityError:
        # Another import runs by now. Whoever signs in next learns how this one ended.
        return False


def _judge(row: SolutionImport, client: DataverseClient, job: ImportJob) -> None:
    """End the import as the finished job says, and note the version that is installed now."""
    if job.failures:
        text = _("Dynamics CRM could not import: {failures}")
        _end(row, State.FAILED, format_lazy(text, failures="; ".join(job.failures)))
        return
    installed = installed_version(client)
    _written(lambda: note_version(row.connection, installed))
    if installed == row.version:
        _end(row, State.SUCCEEDED, "")
    else:
        text = _("Dynamics CRM finished the import without installing version {version} of {solution}.")
        _end(row, State.FAILED, format_lazy(text, version=row.version, solution=shipped().unique_name))


def _end(row: SolutionImport, state: State, reason: Text | CRMBridgeError) -> None:
    """End the import once; an interrupted one may still learn how it ended."""
    unsettled = SolutionImport.objects.filter(pk=row.pk, state__in=_UNSETTLED)
    known: dict[str, Any] = {"progress": 100} if state == State.SUCCEEDED else {}
    reasons = in_every_language(reason) if str(reason) else {}
    _written(lambda: unsettled.update(state=state, ended_at=timezone.now(), reasons=reasons, **known))


def _written(write: Callable[[], object]) -> object:
    """Write, also where the database is busy or restarted meanwhile: the outcome of an import is not to be lost."""
    for pause in _DATABASE_PAUSES:
        try:
            return write()
        except OperationalError:
            log.warning("The database did not take the course of the import; once more in %.1f s.", pause)
            if not transaction.get_connection().in_atomic_block:
                transaction.get_connection().close()
            time.sleep(pause)
    return write()
