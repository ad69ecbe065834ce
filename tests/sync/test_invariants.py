"""Any sequence of edits and runs, in any direction, leaves both sides as the model says (I1, I2, I3, I7, I12)."""

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connection.dataverse.client import DataverseClient
from connection.dataverse.writing import RowUpdate
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from coupling.values import canonical
from financials.models import Contact, Customer, NoSeries
from sync.models import Conflict, SynchError, SynchJob, SynchState, Waiting
from tests.sandbox_process import SandboxProcess
from tests.sync.model import CREDIT, FIELDS, Party

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., dict[str, SynchJob]]

BOTH, TO_CRM, FROM_CRM = Direction.BOTH, Direction.TO_CRM, Direction.FROM_CRM
WAYS = {BOTH: [TO_CRM, FROM_CRM], TO_CRM: [TO_CRM], FROM_CRM: [FROM_CRM]}
EVERYTHING = ("CUSTOMER", "CONTACT")

# Few values, so that edits often agree by chance, or set a value back.
texts = st.sampled_from([None, "1", "2", "Ærø 3"])
values = st.dictionaries(st.sampled_from(list(FIELDS)), texts, min_size=1)
sides = st.sampled_from([TO_CRM, FROM_CRM])
who = st.integers(0, 5)
new_customers = st.tuples(st.just("new_customer"), st.sampled_from(["erp", "crm", "both"]), values, values)
new_contacts = st.tuples(st.just("new_contact"), who, sides, values)
edits = st.tuples(st.just("edit"), who, sides, values)
limits = st.tuples(st.just("limit"), who, sides)
chosen = st.sampled_from([EVERYTHING, ("CUSTOMER",), ("CONTACT",)])
runs = st.tuples(st.just("synchronize"), chosen, st.sampled_from(Direction), st.sampled_from([False, False, True]))
histories = st.lists(st.one_of(new_customers, new_contacts, edits, edits, limits, runs, runs), min_size=10, max_size=24)

# What took a fresh pair of eyes to find, by name.
TAKEN_BACK = [
    ("edit", 0, TO_CRM, {"city": "1"}),
    ("edit", 0, FROM_CRM, {"city": "2"}),
    ("synchronize", EVERYTHING, BOTH, False),
    ("edit", 0, FROM_CRM, {"city": None}),
]
FOUND_ONE_WAY = [
    ("new_customer", "both", {"city": "1"}, {"city": "2"}),
    ("synchronize", EVERYTHING, TO_CRM, False),
    ("synchronize", EVERYTHING, FROM_CRM, True),
]
PARENT_COMES_LATER = [
    ("new_customer", "erp", {}, {}),
    ("new_contact", 2, TO_CRM, {}),
    ("synchronize", ("CONTACT",), TO_CRM, True),
    ("synchronize", ("CUSTOMER",), TO_CRM, True),
    ("synchronize", ("CONTACT",), TO_CRM, False),
]


class World:
    """Customers, contacts, and people who edit them on both sides while runs come and go."""

    def __init__(self, run: Run, crm: DataverseClient, sandbox: SandboxProcess) -> None:
        self.run, self.crm, self.sandbox = run, crm, sandbox
        self.parties: list[Party] = []
        self.ids: dict[Party, dict[str, UUID]] = {}
        self.numbers = iter(range(1, 10**6))
        sandbox.reset()
        for model in (Coupling, SynchError, SynchJob, SynchState, Waiting, Contact, Customer, NoSeries):
            model.objects.all().delete()
        run("CURRENCY", full=True)
        for side in ("erp", "crm"):
            self.new_customer(side, {}, {})
        self.synchronize(EVERYTHING, BOTH, full=True)

    def new_customer(self, side: str, erp: dict[str, Any], crm: dict[str, Any]) -> None:
        party = Party(f"Customer {next(self.numbers)}", FIELDS | CREDIT)
        self._add(party, erp if side != "crm" else None, crm if side != "erp" else None)

    def new_contact(self, parent: int, side: Direction, values: dict[str, Any]) -> None:
        customers = [each for each in self.parties if each.parent is None]
        owner = customers[parent % len(customers)]
        party = Party(f"Contact {next(self.numbers)}", FIELDS, owner)
        in_erp = owner.crm is None or (side == TO_CRM and owner.erp is not None)
        self._add(party, *((values, None) if in_erp else (None, values)))

    def edit(self, whose: int, side: Direction, values: dict[str, Any]) -> None:
        self._edit(self.parties[whose % len(self.parties)], side, values)

    def limit(self, whose: int, side: Direction) -> None:
        party = self.parties[whose % len(self.parties)]
        self._edit(party.parent or party, side, {"credit_limit_lcy": str(next(self.numbers))})

    def synchronize(self, names: tuple[str, ...], direction: Direction, full: bool) -> None:
        self.run(*names, direction=direction, full=full)
        for name in names:
            parties = [each for each in self.parties if (each.parent is not None) == (name == "CONTACT")]
            for way in WAYS[direction]:
                for party in parties:
                    party.run(way, direction, full=full)
        self._look_up_ids()
        self.both_sides_are_as_the_model_says()

    def both_sides_are_as_the_model_says(self) -> None:
        assert self._actual_erp() == {each.name: each.erp for each in self.parties if each.erp is not None}
        assert self._actual_crm() == {each.name: each.crm for each in self.parties if each.crm is not None}
        couplings = Coupling.objects.exclude(mapping__name="CURRENCY")
        coupled = {(ids["erp"], ids["crm"]) for party, ids in self.ids.items() if party.is_coupled}
        assert set(couplings.values_list("erp_id", "crm_id")) == coupled
        assert set(couplings.values_list("state", flat=True)) <= {CouplingState.COUPLED}
        found = Conflict.objects.filter(resolved_at=None).values_list("coupling__erp_id", "field__erp_field")
        assert set(found) == {(self.ids[each]["erp"], name) for each in self.parties for name in each.conflicts}
        assert not SynchError.objects.exists()

    def settle(self) -> None:
        """Incremental runs bring every coupled pair together, a full one all others; then all is quiet."""
        for full in (False, True, False):
            self.synchronize(EVERYTHING, BOTH, full)
        for party in self.parties:
            assert party.is_coupled
            assert {name for name in party.fields if party.erp[name] != party.crm[name]} == party.conflicts  # type: ignore[index]
        assert not Waiting.objects.exists()
        writes = self.sandbox.calls()["writes"]
        stamps = self._stamps()
        for full in (True, False):
            self.synchronize(EVERYTHING, BOTH, full)
        assert self.sandbox.calls()["writes"] == writes
        assert self._stamps() == stamps

    def _edit(self, party: Party, side: Direction, values: dict[str, Any]) -> None:
        half = party.erp if side == TO_CRM else party.crm
        if half is not None:
            half |= values
            party.edited.add(side)
            self._save(party) if side == TO_CRM else self._update(party, values)

    def _add(self, party: Party, erp: dict[str, Any] | None, crm: dict[str, Any] | None) -> Party:
        self.parties.append(party)
        self.ids[party] = {}
        blank = dict.fromkeys(party.fields)
        if erp is not None:
            party.erp = blank | ({"credit_limit_lcy": "0"} if party.parent is None else {}) | erp
            self._insert(party)
        if crm is not None:
            party.crm = blank | crm
            self._create(party)
        party.edited = {way for way, half in ((TO_CRM, party.erp), (FROM_CRM, party.crm)) if half is not None}
        return party

    def _insert(self, party: Party) -> None:
        if party.parent is None:
            new: Any = Customer.objects.create(name=party.name)
        else:
            no = Customer.objects.get(pk=self.ids[party.parent]["erp"]).no
            new = Contact.objects.create(surname=party.name, customer_no=no)
        self.ids[party]["erp"] = new.pk
        self._save(party)

    def _save(self, party: Party) -> None:
        model: Any = Customer if party.parent is None else Contact
        record = model.objects.get(pk=self.ids[party]["erp"])
        assert party.erp is not None
        for name, value in party.erp.items():
            setattr(record, name, Decimal(str(value)) if name in CREDIT else value)
        record.save()

    def _create(self, party: Party) -> None:
        id_ = self.ids[party]["crm"] = uuid4()
        row: dict[str, Any] = {"accountid": str(id_), "name": party.name, "customertypecode": 3}
        if party.parent is not None:
            account = f"/accounts({self.ids[party.parent]['crm']})"
            row = {"contactid": str(id_), "lastname": party.name, "parentcustomerid_account@odata.bind": account}
        assert party.crm is not None
        (outcome,) = self.crm.create_many(_table(party), [row | _payload(party, party.crm)])
        assert outcome.ok

    def _update(self, party: Party, values: dict[str, Any]) -> None:
        (outcome,) = self.crm.update_many(
            _table(party), [RowUpdate(self.ids[party]["crm"], _payload(party, values), None)]
        )
        assert outcome.ok

    def _look_up_ids(self) -> None:
        """Learn under which ids the engine created what it created."""
        pairs = list(Coupling.objects.values_list("erp_id", "crm_id"))
        by_erp, by_crm = dict(pairs), {crm: erp for erp, crm in pairs}
        for party in self.parties:
            ids = self.ids[party]
            if party.is_coupled and "crm" not in ids:
                ids["crm"] = by_erp[ids["erp"]]
            if party.is_coupled and "erp" not in ids:
                ids["erp"] = by_crm[ids["crm"]]

    def _actual_erp(self) -> dict[str, Any]:
        customers = Customer.objects.values("name", *FIELDS, *CREDIT)
        contacts = Contact.objects.values("surname", *FIELDS)
        rows = [(row.pop("name"), row) for row in customers] + [(row.pop("surname"), row) for row in contacts]
        return _by_name((name, {field: canonical(value) for field, value in row.items()}) for name, row in rows)

    def _actual_crm(self) -> dict[str, Any]:
        rows = []
        for table, name, fields in (("account", "name", FIELDS | CREDIT), ("contact", "lastname", FIELDS)):
            columns = {field: column for field, (column, _) in fields.items()}
            for page in self.crm.pages(table, select=[name, *columns.values()]):
                rows += [(row[name], {field: _plain(row[column]) for field, column in columns.items()}) for row in page]
        return _by_name(rows)

    def _stamps(self) -> list[Any]:
        return [sorted(model.objects.values_list("pk", "system_modified_at")) for model in (Customer, Contact)]


def _table(party: Party) -> str:
    return "account" if party.parent is None else "contact"


def _payload(party: Party, values: dict[str, Any]) -> dict[str, Any]:
    return {
        party.fields[name][0]: Decimal(value) if name in CREDIT and value else value for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    return canonical(Decimal(value)) if isinstance(value, int | Decimal) else canonical(value)


def _by_name(rows: Any) -> dict[str, Any]:
    """The rows by name. A name that comes twice is a duplicate that the engine made."""
    named: dict[str, Any] = {}
    for name, row in rows:
        assert name not in named, f"{name} is there twice"
        named[name] = row
    return named


def test_i1_i2_i3_i7_i12_any_history_ends_as_the_model_says(
    run: Run,
    crm: DataverseClient,
    sandbox: SandboxProcess,
    mappings: dict[str, TableMapping],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nothing is read twice for safety's sake, so that it cannot hide what was missed.
    monkeypatch.setattr("coupling.tables.erp.OVERLAP", timedelta(0))

    @settings(
        max_examples=int(os.environ.get("HISTORIES", 8)),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    @example([("limit", 0, FROM_CRM), ("synchronize", ("CUSTOMER",), FROM_CRM, False)])
    @example(TAKEN_BACK)
    @example(FOUND_ONE_WAY)
    @example(PARENT_COMES_LATER)
    def any_history(history: list[tuple[Any, ...]]) -> None:
        world = World(run, crm, sandbox)
        for event, *arguments in history:
            getattr(world, event)(*arguments)
        world.settle()

    any_history()
