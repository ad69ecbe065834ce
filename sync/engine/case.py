"""One record on its way through a page: what the five steps learn about it, until the journal writes it down."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from django.db.models import Q

from connection.dataverse.client import DataverseClient
from connection.errors import CRMBridgeError
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from coupling.tables.crm import CRMTable
from coupling.tables.erp import ERPTable
from coupling.tables.table import Record
from coupling.transfer import FieldRule, compile_rules
from sync.engine.decision import Decision
from sync.lease import Lease
from sync.models import JobType, KeyRange, Side, SynchJob


class Counter(StrEnum):
    """The columns of a synch job; each record read ends in exactly one (I12)."""

    INSERTED = "inserted"
    MODIFIED = "modified"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    COUPLED = "coupled"
    UNCOUPLED = "uncoupled"
    CONFLICTS = "conflicts"


@dataclass(slots=True)
class Case:
    """One record read, with its coupling and counterpart, the decision about it and what became of it."""

    id: UUID
    record: Record | None = None
    coupling: Coupling | None = None
    counterpart: Record | None = None
    decision: Decision = field(default_factory=Decision)
    counter: Counter | None = None
    error: CRMBridgeError | None = None
    is_new_coupling: bool = False
    creates: bool = False
    was_judged: bool = False
    crm_written: bool = False
    erp_written: bool = False
    is_withdrawn: bool = False
    """Whether the row that its coupling promises (I1) will not be made."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done about it."""
        return self.counter is None and self.error is None

    @property
    def is_pending(self) -> bool:
        """Whether its coupling still waits to be settled."""
        return self.coupling is not None and self.coupling.state == CouplingState.PENDING and not self.creates

    @property
    def was_stopped(self) -> bool:
        """Whether the run ended before its turn came: it failed without an error of its own."""
        return self.counter == Counter.FAILED and self.error is None

    def fail(self, error: CRMBridgeError) -> None:
        """It goes no further, and says why (I10)."""
        self.error = error
        self.counter = Counter.FAILED


class Bridge:
    """A mapping with both its tables opened and its rules compiled: everything a run needs to know beforehand."""

    def __init__(self, mapping: TableMapping, client: DataverseClient) -> None:
        self.mapping = mapping
        used = Q(is_enabled=True) | Q(is_match_key=True)
        fields = list(mapping.fields.filter(used).select_related("lookup"))
        targets = {each.crm_column: each.lookup.crm_table for each in fields if each.lookup}
        self.erp = ERPTable(mapping, list(dict.fromkeys(each.erp_field for each in fields)))
        self.crm = CRMTable(client, mapping, [each.crm_column for each in fields], targets)
        self.match_keys = [each for each in fields if each.is_match_key]

    @cached_property
    def rules(self) -> list[FieldRule]:
        """The field mappings, compiled."""
        return compile_rules(self.mapping, self.erp.columns, self.crm.columns)


@dataclass(slots=True)
class Pass:
    """One run of a mapping in one direction: where records come from, and what it may do."""

    bridge: Bridge
    job: SynchJob
    allowed: Direction
    """The directions in which this run may write."""
    lease: Lease
    key_range: KeyRange | None = None
    """The part of the table that it reads, where others read the rest."""

    @property
    def mapping(self) -> TableMapping:
        """The mapping."""
        return self.bridge.mapping

    @property
    def side(self) -> Side:
        """The side that is read."""
        return Side.ERP if self.job.direction == Direction.TO_CRM else Side.CRM

    @property
    def other_side(self) -> Side:
        """The side that is not read."""
        return Side.CRM if self.reads_erp else Side.ERP

    @property
    def reads_erp(self) -> bool:
        """Whether the ERP is the side that is read."""
        return self.side == Side.ERP

    @property
    def source(self) -> ERPTable | CRMTable:
        """The table that is read."""
        return self.bridge.erp if self.reads_erp else self.bridge.crm

    @property
    def target(self) -> ERPTable | CRMTable:
        """The other one."""
        return self.bridge.crm if self.reads_erp else self.bridge.erp

    @property
    def couples_only(self) -> bool:
        """Whether the run only matches what exists on both sides."""
        return self.job.type == JobType.COUPLING

    @property
    def creates(self) -> bool:
        """Whether uncoupled records get a partner."""
        return self.job.is_full or not self.mapping.only_coupled

    def erp_record(self, case: Case) -> Record:
        """The ERP half of a pair."""
        record = case.record if self.reads_erp else case.counterpart
        assert record is not None
        return record

    def crm_record(self, case: Case) -> Record:
        """The CRM half of a pair."""
        record = case.counterpart if self.reads_erp else case.record
        assert record is not None
        return record
