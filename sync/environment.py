"""What becomes of what was exchanged when another environment of the CRM takes the place of the one before."""

from contextlib import ExitStack

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from connection.environment import adopt_environment
from connection.models import CRMConnection
from coupling.models import Coupling, TableMapping
from sync.engine.fingerprint import DISTRUSTED, MOVED
from sync.lease import lease
from sync.models import Change, Conflict, SynchError, SynchState, Waiting


def forget_links(**kwargs: object) -> None:
    """Read the CRM from its beginning once more, and start what is under way anew: links name where they lead (I4)."""
    read = SynchState.objects.exclude(setup="")
    read.exclude(setup=DISTRUSTED).update(setup=MOVED)
    read.update(crm_cursor="")


def start_over(connection: CRMConnection) -> int:
    """The environment is another one: delete all couplings and what is open between the two; history stays.

    Returns how many couplings there were.

    Raises:
        AlreadyRunning: a worker has not let go of a mapping yet.
        EnvironmentSettled: there is no other environment, or the connection is enabled.
    """
    with ExitStack() as held:
        for mapping in TableMapping.objects.all():
            held.enter_context(lease(mapping))
        with transaction.atomic():
            adopt_environment(connection)
            return _forget_couplings()


def _forget_couplings() -> int:
    former = Coupling.objects.filter(pk=OuterRef("coupling"))
    of_record = {
        "former_mapping": Subquery(former.values("mapping")),
        "former_erp_id": Subquery(former.values("erp_id")),
    }
    Change.objects.exclude(coupling=None).update(**of_record, coupling=None)
    SynchError.objects.filter(resolved_at=None).update(resolved_at=timezone.now())
    SynchState.objects.update(erp_cursor="")
    _delete_at_once(Waiting.objects.all())
    _delete_at_once(Conflict.objects.all())
    return _delete_at_once(Coupling.objects.all())


def _delete_at_once(rows: "QuerySet[Waiting] | QuerySet[Conflict] | QuerySet[Coupling]") -> int:
    """In one statement, however many there are; `delete` would load them all to tell whoever listens to deletions."""
    return rows._raw_delete(rows.db)
