"""Model factories that several rooms' tests need: mappings, couplings, jobs and what jobs leave behind."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone
from factory import declarations
from factory.django import DjangoModelFactory

from connection.errors import Recovery
from connection.models import CRMConnection
from coupling.models import Coupling, Direction, FieldMapping, TableMapping
from sync.models import (
    Change,
    Conflict,
    FullSynchReviewLine,
    FullSynchronization,
    JobQueueEntry,
    JobState,
    KeyRange,
    Recommendation,
    Side,
    SynchError,
    SynchJob,
    Waiting,
)

# factory-boy carries no type hints for what is used of it here.
LazyAttribute: Any = declarations.LazyAttribute
LazyFunction: Any = declarations.LazyFunction
SelfAttribute: Any = declarations.SelfAttribute
SubFactory: Any = declarations.SubFactory


class ConnectionFactory(DjangoModelFactory[CRMConnection]):
    """An enabled connection."""

    class Meta:
        model = CRMConnection

    name = "Contoso"
    address = "https://contoso.crm4.dynamics.com"
    tenant_id = "contoso.onmicrosoft.com"
    client_id = "11111111-2222-4333-8444-555555555555"
    is_enabled = True
    organization_name = "Contoso AS"
    version = "9.2.24094.182"
    last_tested_at = LazyFunction(timezone.now)


class TableMappingFactory(DjangoModelFactory[TableMapping]):
    """The mapping CUSTOMER, without fields."""

    class Meta:
        model = TableMapping
        django_get_or_create = ("name",)

    name = "CUSTOMER"
    erp_table = "financials.Customer"
    crm_table = "account"
    erp_key = "no"
    direction = Direction.BOTH


class FieldMappingFactory(DjangoModelFactory[FieldMapping]):
    """The name of a customer."""

    class Meta:
        model = FieldMapping
        django_get_or_create = ("mapping", "crm_column")

    mapping = SubFactory(TableMappingFactory)
    erp_field = "name"
    crm_column = "name"


class CouplingFactory(DjangoModelFactory[Coupling]):
    """A coupling of two records that need not exist."""

    class Meta:
        model = Coupling

    mapping = SubFactory(TableMappingFactory)
    erp_id = LazyFunction(uuid4)
    crm_id = LazyFunction(uuid4)
    synchronized_at = LazyFunction(timezone.now)


class SynchJobFactory(DjangoModelFactory[SynchJob]):
    """A finished run to the CRM."""

    class Meta:
        model = SynchJob

    mapping = SubFactory(TableMappingFactory)
    direction = Direction.TO_CRM
    state = JobState.FINISHED
    started_at = LazyFunction(lambda: timezone.now() - timedelta(minutes=2))
    finished_at = LazyFunction(timezone.now)


class KeyRangeFactory(DjangoModelFactory[KeyRange]):
    """The only part of a table, which nobody has begun to read."""

    class Meta:
        model = KeyRange

    job = SubFactory(SynchJobFactory, state=JobState.RUNNING, finished_at=None, is_full=True)
    number = 1


class SynchErrorFactory(DjangoModelFactory[SynchError]):
    """An open error of an ERP record."""

    class Meta:
        model = SynchError

    mapping = SubFactory(TableMappingFactory)
    side = Side.ERP
    record_id = LazyFunction(uuid4)
    record_name = "C00001"
    kind = Recovery.FIX_RECORD
    code = "0x80040333"
    text = LazyFunction(lambda: {"en": "The email is too long.", "nb": "E-postadressen er for lang."})
    fix = LazyFunction(lambda: {"en": "Shorten it.", "nb": "Kort den ned."})
    technical = "A validation error occurred. The length of 'emailaddress1' exceeded 100."
    job = SubFactory(SynchJobFactory, mapping=SelfAttribute("..mapping"), read=1, failed=1)


class WaitingFactory(DjangoModelFactory[Waiting]):
    """A record that waits for its currency."""

    class Meta:
        model = Waiting

    mapping = SubFactory(TableMappingFactory)
    side = Side.ERP
    record_id = LazyFunction(uuid4)
    record_name = "C00002"
    waits_for = SubFactory(
        TableMappingFactory,
        name="CURRENCY",
        erp_table="financials.Currency",
        crm_table="transactioncurrency",
        erp_key="code",
        direction=Direction.TO_CRM,
    )
    waits_for_key = "SEK"


class ConflictFactory(DjangoModelFactory[Conflict]):
    """A name that was changed on both sides."""

    class Meta:
        model = Conflict

    coupling = SubFactory(CouplingFactory)
    field = SubFactory(FieldMappingFactory, mapping=SelfAttribute("..coupling.mapping"))
    record_name = "C00003"
    base = "Berglunds"
    erp_value = "Berglunds snabbköp"
    crm_value = "Berglunds AB"
    job = SubFactory(SynchJobFactory, mapping=SelfAttribute("..coupling.mapping"))


class ChangeFactory(DjangoModelFactory[Change]):
    """A change of phone that was written to the CRM."""

    class Meta:
        model = Change

    coupling = SubFactory(CouplingFactory)
    job = SubFactory(SynchJobFactory, mapping=SelfAttribute("..coupling.mapping"))
    side = Side.CRM
    fields = LazyFunction(lambda: {"telephone1": ["+47 22 00 00 00", "+47 22 11 11 11"]})


class JobQueueEntryFactory(DjangoModelFactory[JobQueueEntry]):
    """A piece of work that is due, of a mapping of its own."""

    class Meta:
        model = JobQueueEntry

    mapping = SubFactory(TableMappingFactory)
    category = LazyAttribute(lambda entry: entry.mapping.name)


class FullSynchReviewLineFactory(DjangoModelFactory[FullSynchReviewLine]):
    """The only line of a full synchronization that nobody has started."""

    class Meta:
        model = FullSynchReviewLine

    full_synchronization = LazyFunction(FullSynchronization.objects.create)
    position = 1
    mapping = SubFactory(TableMappingFactory)
    name = LazyAttribute(lambda line: line.mapping.name)
    direction = Direction.BOTH
    recommendation = Recommendation.NOTHING
