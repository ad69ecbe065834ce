"""What the sync room knows about one coupled or uncoupled ERP record."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

from django.db.models import Q

from coupling.models import Coupling, TableMapping
from sync.models import Change, Conflict, Side, SynchError, SynchJob, Waiting

LATEST: Final = 20


@dataclass(frozen=True)
class RecordStory:
    """The open errors, waits, conflicts and latest changes of one ERP record under one mapping."""

    mapping: TableMapping
    erp_id: UUID

    @cached_property
    def coupling(self) -> Coupling | None:
        """Its coupling, if it has one."""
        return self.mapping.couplings.filter(erp_id=self.erp_id).first()

    @cached_property
    def errors(self) -> list[SynchError]:
        """What went wrong and is not settled yet."""
        return list(SynchError.objects.filter(self._is_ours, resolved_at=None).select_related("job"))

    @cached_property
    def waiting(self) -> list[Waiting]:
        """What the record, or one of its references, waits for."""
        return list(Waiting.objects.filter(self._is_ours).select_related("waits_for"))

    @cached_property
    def conflicts(self) -> list[Conflict]:
        """Fields that changed on both sides and wait for a person."""
        if not self.coupling:
            return []
        return list(self.coupling.conflicts.filter(resolved_at=None).select_related("field"))

    @cached_property
    def changes(self) -> list[Change]:
        """The latest writes to either side, newest first."""
        ours = Q(coupling=None, former_mapping=self.mapping, former_erp_id=self.erp_id)
        if self.coupling:
            ours |= Q(coupling=self.coupling)
        return list(Change.objects.filter(ours).select_related("job")[:LATEST])

    @cached_property
    def jobs(self) -> list[SynchJob]:
        """The **Synchronization Log**: the latest runs that wrote, or failed to write, this record."""
        touched = [change.job_id for change in self.changes] + [error.job_id for error in self.errors]
        jobs = SynchJob.objects.filter(pk__in=[job for job in touched if job is not None])
        return list(jobs.select_related("mapping"))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing asks for attention."""
        return not (self.errors or self.waiting or self.conflicts)

    @property
    def _is_ours(self) -> Q:
        ours = Q(side=Side.ERP, record_id=self.erp_id)
        if self.coupling:
            ours |= Q(side=Side.CRM, record_id=self.coupling.crm_id)
        return Q(mapping=self.mapping) & ours
